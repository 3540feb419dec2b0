import { setImmediate } from "node:timers/promises";

/** Why lines that were queued will never be durable. */
export interface Failure {
  readonly cause: unknown;
}

/** Lines that become durable together, by one write and one sync. */
export interface Batch {
  /** Resolves with `undefined` when they are durable, or when none of them ever will be; never rejects. */
  readonly outcome: Promise<Failure | undefined>;
}

class OpenBatch implements Batch {
  readonly lines: string[] = [];
  readonly keys: string[] = [];
  readonly #settled = Promise.withResolvers<Failure | undefined>();

  get outcome(): Promise<Failure | undefined> {
    return this.#settled.promise;
  }

  settle(failure?: Failure): void {
    this.#settled.resolve(failure);
  }
}

/**
 * Queues lines while others are being written, so that any number of writers share one sync. Lines are
 * written in the order in which they were added; when a write fails, everything queued behind it fails too,
 * for it was decided upon what was to come before.
 */
export class GroupCommit {
  readonly #write: (lines: string) => Promise<void>;
  readonly #onFailure: (error: unknown) => void;
  /** Which batch last changed an entry, as long as it is not durable. */
  readonly #pending = new Map<string, OpenBatch>();
  #writing: OpenBatch | undefined;
  #filling: OpenBatch | undefined;
  #running = false;

  /** @param onFailure called before those who wait learn of a failure. */
  constructor(write: (lines: string) => Promise<void>, onFailure: (error: unknown) => void) {
    this.#write = write;
    this.#onFailure = onFailure;
  }

  /** The last batch that is not durable yet, if any. */
  get last(): Batch | undefined {
    return this.#filling ?? this.#writing;
  }

  /** The batch that the present value of an entry is waiting for, if any. */
  pending(key: string): Batch | undefined {
    // Mostly nothing is: then the key, made for this question, need not be hashed.
    return this.#pending.size === 0 ? undefined : this.#pending.get(key);
  }

  /** @param keys the entries that the line changes. */
  add(line: string, keys: readonly string[]): Batch {
    this.#filling ??= new OpenBatch();
    const batch = this.#filling;
    batch.lines.push(line);
    for (const key of keys) {
      batch.keys.push(key);
      this.#pending.set(key, batch);
    }
    if (!this.#running) void this.#run();
    return batch;
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#filling !== undefined) {
      // Requests that came in the same turn of the event loop are written together.
      await setImmediate();
      await this.#writeNext();
    }
    this.#running = false;
  }

  async #writeNext(): Promise<void> {
    const batch = this.#filling;
    if (batch === undefined) return;
    this.#writing = batch;
    // What is added from now on waits for the next one.
    this.#filling = undefined;
    try {
      await this.#write(batch.lines.join(""));
      this.#settle(batch);
    } catch (error) {
      this.#fail(error);
    }
    this.#writing = undefined;
  }

  #settle(batch: OpenBatch): void {
    for (const key of batch.keys) {
      if (this.#pending.get(key) === batch) this.#pending.delete(key);
    }
    batch.settle();
  }

  #fail(error: unknown): void {
    const failed = [this.#writing, this.#filling];
    this.#filling = undefined;
    this.#pending.clear();
    this.#onFailure(error);
    for (const batch of failed) batch?.settle({ cause: error });
  }
}
