import type { Writable } from "node:stream";
import { isConnection } from "./connection.ts";

/**
 * Writes to a stream chunk by chunk, and knows when it is done with each. Listens to the stream from the first
 * write to `close`.
 */
export class Outlet {
  /** Whether the memory of a chunk may be used again when its write has been called back. */
  readonly releasesChunks: boolean;
  readonly #writable: Writable;
  #failure: Error | undefined;
  #reject: ((error: Error) => void) | undefined;

  constructor(writable: Writable) {
    this.#writable = writable;
    this.releasesChunks = isConnection(writable);
    if (writable.destroyed) this.#failure = prematureClose(writable);
    writable.on("error", this.#onError);
    writable.on("close", this.#onClose);
  }

  /** Resolves when the stream has taken the chunk and called back. Rejects when it fails or closes before. */
  write(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#reject = reject;
      this.#writable.write(chunk, (error) => (error ? this.#onError(error) : resolve()));
    });
  }

  close(): void {
    this.#writable.off("close", this.#onClose);
    // A stream that failed may tell so once more, after the callback; nobody else may be listening.
    if (this.#failure === undefined) this.#writable.off("error", this.#onError);
  }

  readonly #onError = (error: Error): void => {
    this.#failure ??= error;
    this.#reject?.(this.#failure);
  };

  readonly #onClose = (): void => {
    this.#onError(prematureClose(this.#writable));
  };
}

function prematureClose(writable: Writable): Error {
  return writable.errored ?? new Error("the stream closed before all bytes were written");
}
