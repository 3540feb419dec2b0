import type { Readable } from "node:stream";
import { LayerdError } from "../core/errors.ts";
import { isConnection } from "./connection.ts";

export interface ReceiveOptions {
  /**
   * Takes a chunk, at once or, when it returns a promise, by then: the source waits so long. `own`: nobody else
   * has the chunk, so its memory may be freed when it is not needed any more.
   */
  readonly take: (chunk: Uint8Array, own: boolean) => Promise<void> | undefined;
  /** Take at most so many bytes; when there are more, take these, then reject with SIZE_INVALID. */
  readonly limit: number | undefined;
  /** Each ends the transfer with its reason. */
  readonly signals: readonly AbortSignal[];
}

/**
 * Takes all bytes of a stream. Rejects with the stream's error, or SIZE_INVALID when it closes before its end;
 * every chunk that has come until then has been taken. Leaves the stream paused, not destroyed: it is for its
 * owner to say what becomes of it.
 */
export function receive(source: Readable, options: ReceiveOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    new Reception(source, options, (failure) =>
      failure === undefined ? resolve() : reject(failure.error),
    ).start();
  });
}

interface Failure {
  readonly error: unknown;
}

class Reception {
  readonly #source: Readable;
  readonly #options: ReceiveOptions;
  readonly #done: (failure: Failure | undefined) => void;
  /** Bytes that may still be taken. */
  #left: number;
  /** Bytes that were in the stream before; somebody may have looked at them and put them back. */
  #foreign: number;
  readonly #isConnection: boolean;
  #taking: Promise<void> | undefined;
  #ended = false;

  constructor(source: Readable, options: ReceiveOptions, done: (failure: Failure | undefined) => void) {
    this.#source = source;
    this.#options = options;
    this.#done = done;
    this.#left = options.limit ?? Number.POSITIVE_INFINITY;
    this.#foreign = source.readableLength;
    this.#isConnection = isConnection(source);
  }

  start(): void {
    const source = this.#source;
    for (const signal of this.#options.signals) signal.addEventListener("abort", this.#onAbort);
    source
      .on("data", this.#onData)
      .on("end", this.#onEnd)
      .on("error", this.#onError)
      .on("close", this.#onClose);
    // A stream that is over already tells nobody any more.
    const aborted = this.#options.signals.find((signal) => signal.aborted);
    if (aborted !== undefined) this.#end({ error: aborted.reason });
    else if (source.readableEnded) this.#end(undefined);
    else if (source.errored) this.#end({ error: source.errored });
    else if (source.destroyed) this.#onClose();
    else source.resume();
  }

  readonly #onData = (chunk: Uint8Array | string): void => {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    const own = this.#foreign <= 0 && this.#isConnection && this.#source.listenerCount("data") === 1;
    const excess = bytes.length - this.#left;
    this.#foreign -= bytes.length;
    this.#take(excess > 0 ? bytes.subarray(0, this.#left) : bytes, own);
    if (excess > 0) this.#end({ error: tooLong(this.#options.limit) });
  };

  readonly #onEnd = (): void => this.#end(undefined);
  readonly #onError = (error: unknown): void => this.#end({ error });
  readonly #onAbort = (event: Event): void => this.#end({ error: (event.target as AbortSignal).reason });
  readonly #onClose = (): void => {
    this.#end({ error: new LayerdError("SIZE_INVALID", "the body broke off before its end") });
  };

  #take(bytes: Uint8Array, own: boolean): void {
    this.#left -= bytes.length;
    try {
      const taken = this.#options.take(bytes, own);
      if (taken !== undefined) this.#wait(taken);
    } catch (error) {
      this.#end({ error });
    }
  }

  #wait(taken: Promise<void>): void {
    this.#source.pause();
    this.#taking = taken.then(
      () => {
        this.#taking = undefined;
        if (!this.#ended) this.#source.resume();
      },
      (error: unknown) => this.#end({ error }),
    );
  }

  #end(failure: Failure | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const source = this.#source;
    for (const signal of this.#options.signals) signal.removeEventListener("abort", this.#onAbort);
    source
      .off("data", this.#onData)
      .off("end", this.#onEnd)
      .off("error", this.#onError)
      .off("close", this.#onClose);
    source.pause();
    if (this.#taking === undefined) this.#done(failure);
    // Its chunk has come, so it counts, whatever the stream does now; unless taking it is what fails.
    else this.#taking.then(() => this.#done(failure));
  }
}

function tooLong(limit: number | undefined): LayerdError {
  return new LayerdError("SIZE_INVALID", `more than the ${limit} bytes expected`, { detail: { limit } });
}
