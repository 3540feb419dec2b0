import { PARTS_MAX } from "./part-sizes.ts";

// Of a number that was taken and not used, a part cannot be any more: one more at once for so many that were used.
const USED_FOR_ONE_MORE = 4;
const AT_ONCE_MAX = 8;

/**
 * The numbers of an upload's parts, which are taken in the catalog before they are used, so that no other server ever
 * writes a part of the same number. An upload of many parts takes several at once.
 */
export class PartNumbers {
  readonly #take: (until: (first: number) => number) => Promise<number>;
  #used = 0;
  #next = 0;
  #end = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * @param take takes the numbers from the first one that is free, exclusively to the one that it is answered, and
   * resolves with the first.
   */
  constructor(take: (until: (first: number) => number) => Promise<number>) {
    this.#take = take;
  }

  /** In the order of asking. Throws what taking does. */
  async next(): Promise<number> {
    const taken = this.#turn.then(() => this.#takeNext());
    this.#turn = taken.catch(() => undefined);
    return await taken;
  }

  async #takeNext(): Promise<number> {
    if (this.#next === this.#end) await this.#takeMore();
    this.#used += 1;
    this.#next += 1;
    return this.#next - 1;
  }

  async #takeMore(): Promise<void> {
    const count = Math.min(AT_ONCE_MAX, Math.max(1, Math.floor(this.#used / USED_FOR_ONE_MORE)));
    let end = 0;
    this.#next = await this.#take((first) => {
      end = Math.max(first + 1, Math.min(first + count, PARTS_MAX + 1));
      return end;
    });
    // Not before they are taken: when that fails they may be another server's.
    this.#end = end;
  }
}
