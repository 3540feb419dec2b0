import { setTimeout as delay } from "node:timers/promises";

// Milliseconds of reading that may be caught up with: timers come late, and disks have better and worse moments.
const SLACK = 1000;
// Milliseconds. setTimeout fires at once when asked to wait much longer.
const LONGEST_WAIT = 2 ** 31 - 1;

/** Spreads reading over time. */
export class Rate {
  readonly #perMillisecond: number;
  readonly #signal: AbortSignal;
  #dueAt = performance.now();

  /** @param bytesPerSecond `Infinity` for no limit. */
  constructor(bytesPerSecond: number, signal: AbortSignal) {
    this.#perMillisecond = bytesPerSecond / 1000;
    this.#signal = signal;
  }

  /** To be waited for when so many bytes have been read. @throws an AbortError when the signal aborts */
  async spend(bytes: number): Promise<void> {
    const now = performance.now();
    this.#dueAt = Math.max(this.#dueAt, now - SLACK) + bytes / this.#perMillisecond;
    const wait = Math.min(this.#dueAt - now, LONGEST_WAIT);
    if (wait > 0) await delay(wait, undefined, { signal: this.#signal });
  }
}
