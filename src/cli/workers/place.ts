import { setTimeout as delay } from "node:timers/promises";
import type { Source } from "../../config.ts";
import { type Surroundings, WorkerProcess } from "./worker-process.ts";

// Milliseconds. Whoever has served for so long is replaced at once when he dies.
const STEADY = 60_000;
const LONGEST_WAIT = 30_000;

export interface PlaceOptions extends Surroundings {
  /** From 1 on. Whoever takes the place has it in his log lines. */
  readonly number: number;
  readonly sources: readonly Source[];
  /** Told of every worker that has ended. */
  readonly onEnded: (worker: WorkerProcess) => void;
}

/** The place of one worker. When it dies, another takes it. */
export class Place {
  readonly #options: PlaceOptions;
  readonly #stopping = new AbortController();
  #worker: WorkerProcess;
  #kept: Promise<void> = Promise.resolve();

  constructor(options: PlaceOptions) {
    this.#options = options;
    this.#worker = this.#fork();
  }

  /** Who has it now, or had it last. */
  get worker(): WorkerProcess {
    return this.#worker;
  }

  /** Resolves with the port when its first worker listens. @throws StartError, ConfigError when that never comes */
  async start(): Promise<number> {
    const port = await this.#worker.listening;
    this.#sayThatItListens();
    this.#kept = this.#keep();
    return port;
  }

  /** Resolves when its worker has finished what it was doing. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#worker.tell({ type: "stop" });
    await this.#kept;
    await this.#worker.ended;
  }

  async #keep(): Promise<void> {
    const { log, number, onEnded } = this.#options;
    const { signal } = this.#stopping;
    for (let deaths = 0; ; deaths += 1) {
      const began = performance.now();
      const how = await this.#worker.ended;
      onEnded(this.#worker);
      if (signal.aborted) return;
      if (performance.now() - began > STEADY) deaths = 0;
      const wait = waitAfter(deaths);
      log.logger.error({ worker: number, how, wait }, "a worker has ended: another will take its place");
      await delay(wait, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      this.#worker = this.#fork();
      this.#worker.listening.then(
        () => this.#sayThatItListens(),
        (error: Error) => log.logger.error({ worker: number }, `a worker could not start: ${error.message}`),
      );
    }
  }

  #fork(): WorkerProcess {
    const { number, sources } = this.#options;
    return new WorkerProcess(number, sources, this.#options);
  }

  #sayThatItListens(): void {
    const { log, number } = this.#options;
    log.logger.info({ worker: number, pid: this.#worker.pid }, "a worker listens");
  }
}

/** Milliseconds: none for the first death, then a second, and twice as long each time. */
function waitAfter(deaths: number): number {
  return deaths === 0 ? 0 : Math.min(1000 * 2 ** (deaths - 1), LONGEST_WAIT);
}
