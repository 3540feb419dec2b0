// Short enough for moving half of it to cost next to nothing, long enough for there to be few.
const BUCKET = 512;

/**
 * Items in the ASCIIbetical order of their keys (the order of code units). Adding and removing one, and
 * finding where to go on, cost practically the same however many there are: they are kept in sorted pieces
 * of bounded length.
 */
export class SortedList<T> {
  readonly #keyOf: (item: T) => string;
  /** None is empty, and all keys of one are below those of the next. */
  readonly #buckets: T[][] = [];

  /** @param items to begin with, no two of the same key; best when they are sorted already. */
  constructor(keyOf: (item: T) => string, items: readonly T[] = []) {
    this.#keyOf = keyOf;
    const sorted = items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    for (let at = 0; at < sorted.length; at += BUCKET) this.#buckets.push(sorted.slice(at, at + BUCKET));
  }

  /** Adds an item, or replaces the one that has its key. */
  put(item: T): void {
    const key = this.#keyOf(item);
    // What comes after all others belongs into the last bucket.
    const number = Math.max(0, Math.min(this.#bucketFor(key), this.#buckets.length - 1));
    const bucket = this.#buckets[number];
    if (bucket === undefined) {
      this.#buckets.push([item]);
      return;
    }
    const at = this.#placeIn(bucket, key);
    bucket.splice(at, this.#keyAt(bucket, at) === key ? 1 : 0, item);
    if (bucket.length > BUCKET) this.#buckets.splice(number + 1, 0, bucket.splice(BUCKET / 2));
  }

  delete(key: string): void {
    const number = this.#bucketFor(key);
    const bucket = this.#buckets[number] ?? [];
    const at = this.#placeIn(bucket, key);
    if (this.#keyAt(bucket, at) !== key) return;
    bucket.splice(at, 1);
    // Small ones are left alone: there are never more buckets than items.
    if (bucket.length === 0) this.#buckets.splice(number, 1);
  }

  /** The items whose keys come after `key`, which need not be there. Nothing may be changed meanwhile. */
  *after(key: string): Generator<T, undefined> {
    for (let number = this.#bucketFor(key); number < this.#buckets.length; number++) {
      const bucket = this.#buckets[number] ?? [];
      const at = this.#placeIn(bucket, key);
      yield* bucket.slice(this.#keyAt(bucket, at) === key ? at + 1 : at);
    }
  }

  /** A copy. */
  toArray(): T[] {
    return this.#buckets.flat();
  }

  /** The first bucket that does not end before `key`. */
  #bucketFor(key: string): number {
    return firstNot(this.#buckets.length, (number) => {
      const bucket = this.#buckets[number] ?? [];
      return this.#isBefore(bucket, bucket.length - 1, key);
    });
  }

  /** The place of the first item of a bucket that is not before `key`. */
  #placeIn(bucket: readonly T[], key: string): number {
    return firstNot(bucket.length, (at) => this.#isBefore(bucket, at, key));
  }

  #isBefore(bucket: readonly T[], at: number, key: string): boolean {
    const found = this.#keyAt(bucket, at);
    return found !== undefined && found < key;
  }

  #keyAt(bucket: readonly T[], at: number): string | undefined {
    const item = bucket[at];
    return item === undefined ? undefined : this.#keyOf(item);
  }
}

/** The first of `count` places for which `holds` is false, when it is true up to there and false from there on. */
function firstNot(count: number, holds: (at: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
