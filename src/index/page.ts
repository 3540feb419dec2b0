import type { Page } from "./port.ts";

/** The first of the items, at most `limit` of them, and the cursor of the last one when more follow. */
export function pageOf<T, C>(items: Iterable<T>, limit: number, cursorOf: (item: T) => C): Page<T, C> {
  const taken: T[] = [];
  for (const item of items) {
    const last = taken.at(-1);
    if (last !== undefined && taken.length >= limit) return { items: taken, next: cursorOf(last) };
    taken.push(item);
  }
  return { items: taken };
}
