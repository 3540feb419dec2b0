import type { Digest } from "../core/digest.ts";
import type { Page, PageRequest } from "./port.ts";

interface Entry {
  readonly digest: Digest;
  readonly position: number;
}

// Below this, looking over a few removed places is cheaper than tidying up.
const TIDY_ABOVE = 32;

/**
 * Entries by digest and in the order of their positions. Looking up, adding and removing one, and reading a
 * page, cost the same however many there are.
 */
export class Entries<T extends Entry> {
  readonly #byDigest = new Map<Digest, T>();
  /** Ascending. A removed entry leaves its position behind, so that the order can still be searched. */
  #order: (T | number)[] = [];
  #removed = 0;

  get size(): number {
    return this.#byDigest.size;
  }

  get(digest: Digest): T | undefined {
    return this.#byDigest.get(digest);
  }

  /** Replaces the entry of that digest, whose position it keeps, or adds one after all others. */
  put(entry: T): void {
    const before = this.#byDigest.size;
    this.#byDigest.set(entry.digest, entry);
    if (this.#byDigest.size > before) this.#order.push(entry);
    else this.#order[this.#search(entry.position)] = entry;
  }

  delete(digest: Digest): void {
    const entry = this.#byDigest.get(digest);
    if (entry === undefined) return;
    this.#byDigest.delete(digest);
    this.#order[this.#search(entry.position)] = entry.position;
    this.#removed++;
    // A quarter: removing pays for tidying up, and a page never has to step over more than that.
    if (this.#removed > TIDY_ABOVE && this.#removed * 4 > this.#order.length) this.#tidy();
  }

  /** Newest first. */
  page({ limit, before = Number.POSITIVE_INFINITY }: PageRequest): Page<T> {
    const items: T[] = [];
    for (let at = this.#search(before) - 1; at >= 0; at--) {
      const entry = this.#order[at];
      if (entry === undefined || typeof entry === "number") continue;
      const last = items.at(-1);
      if (last !== undefined && items.length === limit) return { items, next: last.position };
      items.push(entry);
    }
    return { items };
  }

  /** A copy, oldest first. */
  toArray(): T[] {
    return this.#order.filter((entry) => typeof entry !== "number");
  }

  #tidy(): void {
    this.#order = this.toArray();
    this.#removed = 0;
  }

  /** The first place in the order that is not before `position`. */
  #search(position: number): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (positionOf(this.#order[middle]) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function positionOf(entry: Entry | number | undefined): number {
  return typeof entry === "object" ? entry.position : (entry ?? Number.POSITIVE_INFINITY);
}
