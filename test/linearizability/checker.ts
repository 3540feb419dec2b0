/** What a client asked of a tag, and what it was told. `null` is no tag. */
export type Operation =
  | { readonly type: "set"; readonly value: string }
  | { readonly type: "read"; readonly value: string | null }
  | { readonly type: "create"; readonly value: string; readonly done: boolean }
  | { readonly type: "swap"; readonly from: string; readonly value: string; readonly done: boolean }
  | { readonly type: "delete"; readonly done: boolean };

export interface Event {
  readonly operation: Operation;
  /** When it was sent, and when the answer was there, on one clock. */
  readonly start: number;
  readonly end: number;
}

type State = string | null;

/** What the tag is after the operation; `undefined` when it could not have been answered so. */
function next(state: State, operation: Operation): State | undefined {
  switch (operation.type) {
    case "set":
      return operation.value;
    case "read":
      return operation.value === state ? state : undefined;
    case "create":
      if (operation.done) return state === null ? operation.value : undefined;
      return state === null ? undefined : state;
    case "swap":
      if (operation.done) return state === operation.from ? operation.value : undefined;
      return state === operation.from ? undefined : state;
    case "delete":
      if (operation.done) return state === null ? undefined : null;
      return state === null ? null : undefined;
    default:
      return operation satisfies never;
  }
}

/**
 * Whether there is an order of the events, each between its start and its end, in which every answer is the right one
 * (Herlihy and Wing 1990; the search is that of Wing and Gong, with what has been tried before remembered, as Lowe
 * does). The tag does not exist at the beginning.
 */
export function isLinearizable(events: readonly Event[]): boolean {
  const tried = new Set<string>();
  const search = (left: readonly Event[], state: State): boolean => {
    if (left.length === 0) return true;
    const key = `${state} ${left.map((event) => events.indexOf(event)).join(",")}`;
    if (tried.has(key)) return false;
    tried.add(key);
    // Whatever comes first must have begun before any of the others had ended.
    const firstEnd = Math.min(...left.map(({ end }) => end));
    return left.some((event) => {
      if (event.start > firstEnd) return false;
      const after = next(state, event.operation);
      return (
        after !== undefined &&
        search(
          left.filter((other) => other !== event),
          after,
        )
      );
    });
  };
  return search(events, null);
}
