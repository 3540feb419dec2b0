import type { Digest } from "../core/digest.ts";
import type { Hold, Holds } from "./port.ts";

/** Holds among the work of one process. */
export class LocalHolds implements Holds {
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

  has(digest: Digest): boolean {
    return this.#held.has(digest);
  }

  remember(): void {
    this.#since = new Set(this.#held.keys());
  }

  forget(): void {
    this.#since = undefined;
  }

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

  async unlessUsed<T>(digest: Digest, work: () => Promise<T>): Promise<T | undefined> {
    return await this.unlessHeld(digest, work);
  }

  #letGo(digest: Digest): void {
    const others = (this.#held.get(digest) ?? 1) - 1;
    if (others === 0) this.#held.delete(digest);
    else this.#held.set(digest, others);
  }
}
