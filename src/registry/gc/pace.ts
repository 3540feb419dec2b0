import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";

// Milliseconds of work, after which others get their turn, and of rest: a request waits for no longer than it takes
// by itself, and a third of one processor is used.
const WORK = 0.5;
const REST = 1;

/** Keeps work in the background from being felt by requests, and lets it be broken off. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** To be waited for between small pieces of work. @throws the reason when the signal has aborted */
  step(): Promise<void> | undefined {
    this.#signal?.throwIfAborted();
    return performance.now() - this.#since < WORK ? undefined : this.#rest();
  }

  async #rest(): Promise<void> {
    await turn();
    await delay(REST);
    this.#since = performance.now();
  }
}
