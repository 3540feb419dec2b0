import { LayerdError } from "../core/errors.ts";

/** One operation at a time; one that ends everything makes the others stop first. */
export class Exclusive {
  #running: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** @throws UNAVAILABLE while another one runs. Its signal aborts when it is to make way. */
  async run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#running !== undefined)
      throw new LayerdError("UNAVAILABLE", "the upload is being written already");
    const abort = new AbortController();
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#running = { abort, done };
    try {
      return await work(abort.signal);
    } finally {
      this.#running = undefined;
      resolve();
    }
  }

  /** Runs when whoever runs now has ended, after having been told to. */
  async takeOver<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running !== undefined) {
      this.#running.abort.abort(new LayerdError("UNAVAILABLE", "the upload has been ended"));
      await this.#running.done;
    }
    return await this.run(work);
  }
}
