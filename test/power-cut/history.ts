import type { Content } from "../crash/contents.ts";

/** What something is: a digest, an offset, or nothing. */
export type Value = string | number | undefined;

interface Entry {
  readonly value: Value;
  /** The request that made it so; without one it may have become so at any time since. */
  readonly request: string | undefined;
}

/** Something that clients have been told of. Requests about one come one after the other. */
export interface Item {
  readonly kind: "blob" | "manifest" | "tag" | "session";
  readonly repository: string;
  /** A digest, a tag, or the path of a session. */
  readonly id: string;
  /** What a session is to become. */
  readonly content: Content | undefined;
  /** The blobs that a manifest needs. */
  readonly blobs: readonly Content[];
  readonly entries: Entry[];
}

/** What clients were told, and when: so that it is known what must be there after a cut at any moment, and what may. */
export class History {
  readonly #items = new Map<string, Item>();
  /** Lines of the trace at which the answers to requests began to be sent. */
  readonly #told = new Map<string, number>();

  /** Ids of requests whose answers were sent, and when. Of those that a kill has undone, none may be among them. */
  learn(told: ReadonlyMap<string, number>): void {
    for (const [request, line] of told) this.#told.set(request, line);
  }

  item(
    kind: Item["kind"],
    repository: string,
    id: string,
    about: { readonly content?: Content; readonly blobs?: readonly Content[] } = {},
  ): Item {
    const key = `${kind} ${repository} ${id}`;
    const { content, blobs = [] } = about;
    const item = this.#items.get(key) ?? { kind, repository, id, content, blobs, entries: [] };
    this.#items.set(key, item);
    return item;
  }

  all(...kinds: readonly Item["kind"][]): Item[] {
    return [...this.#items.values()].filter(({ kind }) => kinds.includes(kind));
  }

  /** What an item may be after a cut there: what was told last, or what came after it. */
  allowed({ entries }: Item, line: number): Value[] {
    const last = entries.findLastIndex(
      ({ request }) => request !== undefined && (this.#told.get(request) ?? Number.POSITIVE_INFINITY) <= line,
    );
    const values = entries.slice(Math.max(last, 0)).map(({ value }) => value);
    return last === -1 ? [undefined, ...values] : values;
  }
}

/** What an item is as far as its last request was told. */
export function latest({ entries }: Item): Value {
  return entries.at(-1)?.value;
}
