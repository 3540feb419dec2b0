import cluster from "node:cluster";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Source } from "../../config.ts";
import type { Samples } from "../../create.ts";
import { Place } from "./place.ts";
import type { Surroundings, WorkerProcess } from "./worker-process.ts";

export interface CrewOptions extends Surroundings {
  readonly count: number;
  readonly sources: readonly Source[];
  /** Told of a worker, by its id, that has ended. */
  readonly onEnded: (id: number) => void;
}

/** The workers of a server. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #places: Place[] = [];

  constructor(options: CrewOptions) {
    this.#options = options;
    cluster.setupPrimary({
      // Compiled code has one of the same kind beside it.
      exec: fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url)),
      args: [],
      // JSON knows neither a Map nor Infinity.
      serialization: "advanced",
      stdio: ["ignore", options.log.forward === undefined ? "inherit" : "pipe", "inherit", "ipc"],
    });
    /*
     * This process accepts, and hands connections to the workers in turn. Transfers are few connections that last
     * long, and each is the work of one processor: with two clients, both workers must have one, which neither a
     * listening socket that all wait at (whoever wakes up first takes them all) nor SO_REUSEPORT (a hash decides)
     * sees to. What it costs is a message between processes for each connection, not for each request; a worker that
     * is busy is handed none until it has taken the last one; and the port stays open when a worker dies.
     */
    cluster.schedulingPolicy = cluster.SCHED_RR;
  }

  /**
   * Resolves with the port when all workers listen. The first one goes ahead: whatever keeps a server from starting
   * is said once, and an empty database gets its tables from one.
   * @throws StartError, ConfigError when one cannot start; the others then serve until `stop`.
   */
  async start(): Promise<number> {
    const port = await this.#hire(1);
    const others = Array.from({ length: this.#options.count - 1 }, (_, index) => this.#hire(index + 2));
    await Promise.all(others);
    return port;
  }

  reloadIdentities(): void {
    for (const { worker } of this.#places) worker.tell({ type: "reload-identity" });
  }

  /** Asks each worker what it has counted. @param tell hears of those, by their ids, that say it, before they end. */
  async measure(tell: (id: number, samples: Samples) => void): Promise<void> {
    const asked = this.#places.map(({ worker }) => worker).filter(({ listens }) => listens);
    const measureOne = async (worker: WorkerProcess) => {
      const samples = await worker.measure();
      if (samples !== undefined) tell(worker.id, samples);
    };
    await Promise.all(asked.map(measureOne));
  }

  /** Resolves when all have finished what they were doing. */
  async stop(): Promise<void> {
    await Promise.all(this.#places.map((place) => place.stop()));
  }

  async #hire(number: number): Promise<number> {
    const { onEnded, ...options } = this.#options;
    const place = new Place({ ...options, number, onEnded: ({ id }) => onEnded(id) });
    this.#places.push(place);
    return await place.start();
  }
}
