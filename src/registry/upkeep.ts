import type { Cluster } from "../cluster/port.ts";

/** Something that has to be done again and again, by one server at a time. */
export interface Chore {
  /** Names it among all servers. */
  readonly name: string;
  /** What it is, for whoever is told that it failed. */
  readonly what: string;
  /** Milliseconds. */
  readonly every: number;
  /** @param signal aborts when it is to be broken off: the next time does the rest. */
  work(signal: AbortSignal): Promise<unknown>;
}

/** Does chores until it is closed. */
export class Upkeep {
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #abort = new AbortController();

  constructor(
    chores: readonly Chore[],
    { cluster, onError }: { readonly cluster: Cluster; onError(error: unknown, what: string): void },
  ) {
    for (const { name, what, every, work } of chores) {
      const timer = setInterval(() => {
        // Half of it: what is done by timers of many servers would else be done a little too early, and then not at all.
        const turn = cluster.alone({ name, every: every / 2 }, (lost) =>
          work(AbortSignal.any([this.#abort.signal, lost])),
        );
        const done = turn
          .then(
            () => undefined,
            (error: unknown) => {
              if (!this.#abort.signal.aborted) onError(error, what);
            },
          )
          .finally(() => this.#running.delete(done));
        this.#running.add(done);
      }, every);
      this.#timers.push(timer.unref());
    }
  }

  /** Breaks off what is being done. */
  async close(): Promise<void> {
    this.#abort.abort();
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#running);
  }
}
