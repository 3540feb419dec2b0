import type { Digest } from "../core/digest.ts";

/** What one piece of work holds. `using` lets go of it. */
export interface Hold extends Disposable {
  /**
   * Keeps a blob from being discarded, from before it is looked for or published until an index says that it is
   * needed. To be waited for when there is something to wait for: the blob is just being discarded.
   */
  readonly add: (digest: Digest) => Promise<void> | undefined;
}

/**
 * Keeps garbage collection off what is about to be linked. Between a blob being there and a link to it being durable,
 * nothing on the disk says that it is needed; here it is said, to the one process that writes.
 */
export class Holds {
  readonly #held = new Map<Digest, number>();
  readonly #leaving = new Map<Digest, Promise<unknown>>();
  #since: Set<Digest> | undefined;

  open(): Hold {
    const mine = new Set<Digest>();
    return {
      add: (digest) => {
        if (!mine.has(digest)) {
          mine.add(digest);
          this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
          this.#since?.add(digest);
        }
        return this.#leaving.get(digest)?.then(
          () => undefined,
          () => undefined,
        );
      },
      [Symbol.dispose]: () => {
        for (const digest of mine) this.#letGo(digest);
        mine.clear();
      },
    };
  }

  /** Whether somebody holds it right now. */
  has(digest: Digest): boolean {
    return this.#held.has(digest);
  }

  /**
   * From now on, remembers what is held or has been: whoever then reads the index misses nothing that came in
   * meanwhile. Ends with the next call, or with `forget`.
   */
  remember(): void {
    this.#since = new Set(this.#held.keys());
  }

  forget(): void {
    this.#since = undefined;
  }

  /**
   * Runs `discard`, unless the blob is held, has been since `remember`, or is just being discarded by another;
   * `undefined` when it is or has.
   */
  async unlessHeld<T>(digest: Digest, discard: () => Promise<T>): Promise<T | undefined> {
    if (this.#held.has(digest) || this.#since?.has(digest) === true) return undefined;
    // Whoever waits for the first one would otherwise go on while the second is still at it.
    if (this.#leaving.has(digest)) return undefined;
    const leaving = discard();
    this.#leaving.set(digest, leaving);
    try {
      return await leaving;
    } finally {
      this.#leaving.delete(digest);
    }
  }

  #letGo(digest: Digest): void {
    const others = (this.#held.get(digest) ?? 1) - 1;
    if (others === 0) this.#held.delete(digest);
    else this.#held.set(digest, others);
  }
}
