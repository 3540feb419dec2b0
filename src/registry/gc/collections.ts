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
const SOON = 100;

interface Options {
  readonly gc: GcOptions;
  readonly onError: (error: unknown, what: string) => void;
}

/** Lets promises end, and collects garbage again and again: one server at a time. */
export class Collections {
  readonly #collector: Collector;
  readonly #abort = new AbortController();
  readonly #aging: NodeJS.Timeout;
  readonly #relieving: NodeJS.Timeout;
  #next: NodeJS.Timeout | undefined;

  constructor(
    collector: Collector,
    stores: { readonly blobs: BlobSweeper; readonly index: Index },
    options: Options,
  ) {
    const { gc, onError } = options;
    this.#collector = collector;
    this.#aging = setInterval(() => {
      stores.index.agePromises(gc.grace).catch((error: unknown) => onError(error, "ending promises"));
    }, gc.grace).unref();
    this.#relieving = setInterval(() => {
      relieve(stores.blobs).catch((error: unknown) => onError(error, "making room on the disk"));
    }, RELIEVE_EVERY).unref();
    if (gc.interval !== undefined) this.#wait(gc.interval, gc.interval, options);
  }

  /** Breaks off the collection that runs: the next one does what it has left. */
  async close(): Promise<void> {
    clearInterval(this.#aging);
    clearInterval(this.#relieving);
    clearTimeout(this.#next);
    this.#abort.abort();
    await this.#collector.idle();
  }

  #wait(milliseconds: number, interval: number, options: Options): void {
    const { signal } = this.#abort;
    const collect = async () => {
      let next = interval;
      try {
        next = await this.#collect(interval, options);
      } catch (error) {
        if (!signal.aborted) options.onError(error, "collecting garbage");
      }
      if (!signal.aborted) this.#wait(next, interval, options);
    };
    this.#next = setTimeout(collect, milliseconds).unref();
  }

  /** @returns milliseconds to the next one. */
  async #collect(interval: number, { gc }: Options): Promise<number> {
    const turn = await this.#collector.collectIfDue(interval, { signal: this.#abort.signal });
    if (!("result" in turn)) return Math.max(turn.dueIn, SOON);
    gc.onCollected?.(turn.result);
    return interval;
  }
}
