/** Bytes. */
export interface Progress {
  readonly done: number;
  /** At the beginning: blobs come and go. */
  readonly total: number;
}

// Milliseconds. Eyes see no more, and what is told may have to travel.
const TELL_EVERY = 250;

/** Tells how far something has come, a few times a second. */
export class ProgressMeter {
  readonly #total: number;
  readonly #tell: (progress: Progress) => void;
  #done = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(total: number, tell: (progress: Progress) => void) {
    this.#total = total;
    this.#tell = tell;
  }

  add(bytes: number): void {
    this.#done += bytes;
    const now = performance.now();
    if (now - this.#toldAt < TELL_EVERY) return;
    this.#toldAt = now;
    this.#tell({ done: this.#done, total: this.#total });
  }
}
