import type { BlobSweeper } from "../../blobs/port.ts";
import type { Index } from "../../index/port.ts";
import type { Collected } from "./collected.ts";
import type { Collector, CollectorOptions } from "./collector.ts";
import { relieve } from "./relief.ts";

export interface GcOptions extends Omit<CollectorOptions, "rules"> {
  /** Milliseconds from the end of one collection to the next; `undefined` runs none. */
  readonly interval: number | undefined;
  /** Told of what a collection has removed. */
  readonly onCollected?: (collected: Collected) => void;
}

// Milliseconds.
const RELIEVE_EVERY = 5000;

/** Lets promises end, and collects garbage again and again. */
export class Collections {
  readonly #collector: Collector;
  readonly #abort = new AbortController();
  readonly #aging: NodeJS.Timeout;
  readonly #relieving: NodeJS.Timeout;
  #next: NodeJS.Timeout | undefined;

  constructor(
    collector: Collector,
    stores: { readonly blobs: BlobSweeper; readonly index: Index },
    options: { readonly gc: GcOptions; readonly onError: (error: unknown, what: string) => void },
  ) {
    const { gc, onError } = options;
    this.#collector = collector;
    this.#aging = setInterval(() => {
      stores.index.agePromises(gc.grace).catch((error: unknown) => onError(error, "ending promises"));
    }, gc.grace).unref();
    this.#relieving = setInterval(() => {
      relieve(stores.blobs).catch((error: unknown) => onError(error, "making room on the disk"));
    }, RELIEVE_EVERY).unref();
    if (gc.interval !== undefined) this.#wait(gc.interval, options);
  }

  /** Breaks off the collection that runs: the next one does what it has left. */
  async close(): Promise<void> {
    clearInterval(this.#aging);
    clearInterval(this.#relieving);
    clearTimeout(this.#next);
    this.#abort.abort();
    await this.#collector.idle();
  }

  #wait(
    interval: number,
    options: { readonly gc: GcOptions; readonly onError: (error: unknown, what: string) => void },
  ): void {
    const { signal } = this.#abort;
    const collect = async () => {
      try {
        options.gc.onCollected?.(await this.#collector.collect({ signal }));
      } catch (error) {
        if (!signal.aborted) options.onError(error, "collecting garbage");
      }
      if (!signal.aborted) this.#wait(interval, options);
    };
    this.#next = setTimeout(collect, interval).unref();
  }
}
