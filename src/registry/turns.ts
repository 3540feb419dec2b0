import type { UploadId } from "../blobs/port.ts";
import { LayerdError } from "../core/errors.ts";

interface Turn {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/**
 * One request at a time works on an upload. A client that comes back is the one that is alive, so its request
 * ends an older one that is still waiting for bytes, and goes on where that one stopped.
 */
export class Turns {
  readonly #running = new Map<UploadId, Turn>();

  busy(id: UploadId): boolean {
    return this.#running.has(id);
  }

  /**
   * Runs `work` when it is alone on `id`, after having aborted whoever was there. Its signal aborts when the
   * next one comes.
   */
  async take<T>(id: UploadId, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (let turn = this.#running.get(id); turn !== undefined; turn = this.#running.get(id)) {
      turn.abort.abort(new LayerdError("UNAVAILABLE", "a newer request has taken over this upload"));
      await turn.done;
    }
    return await this.#run(id, work);
  }

  async #run<T>(id: UploadId, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#running.set(id, { abort, done });
    try {
      return await work(abort.signal);
    } finally {
      this.#running.delete(id);
      resolve();
    }
  }

  /** Ends every running turn, and resolves when all have stopped. */
  async close(): Promise<void> {
    const turns = [...this.#running.values()];
    for (const turn of turns) turn.abort.abort(new LayerdError("UNAVAILABLE", "the server is stopping"));
    await Promise.all(turns.map((turn) => turn.done));
  }
}
