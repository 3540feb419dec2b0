import { syncDirectory } from "./disk.ts";

/**
 * A directory whose names count only once they are durable. Syncs are shared: all who wait at the same time
 * wait for the same one.
 *
 * Nothing is known of a directory at first: a process that was killed may have left names in it that a power
 * cut would still take. So it starts unsettled, and its first use syncs it. Where other processes use it, too, that
 * holds at any time, and every `sync` is one.
 */
export class SyncedDirectory {
  readonly path: string;
  readonly #parent: SyncedDirectory | undefined;
  readonly #sync: (path: string) => Promise<void>;
  /** Whether other processes change names in it, too, and sync them or not. */
  readonly #foreign: boolean;
  /** Whether its own name is known to be durable. */
  #anchored = false;
  #changing = 0;
  #changes = 1;
  #durable = 0;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** @param sync for tests; `undefined` leaves all syncing to the kernel. */
  constructor(
    path: string,
    options: {
      parent?: SyncedDirectory;
      sync: ((path: string) => Promise<void>) | undefined;
      /** Whether other processes use it. Default: false. */
      shared?: boolean;
    },
  ) {
    this.path = path;
    this.#parent = options.parent;
    this.#sync = options.sync ?? (async () => {});
    this.#foreign = options.shared === true && options.sync !== undefined;
    if (options.sync === undefined) this.#durable = Number.POSITIVE_INFINITY;
  }

  /** Whether every name that this process has made or seen in it would survive a power cut. */
  get settled(): boolean {
    const above = this.#anchored || (this.#parent?.settled ?? true);
    return above && this.#changing === 0 && this.#durable >= this.#changes;
  }

  /** Another one whenever names have changed, or are just being changed. */
  get version(): number {
    return this.#changes;
  }

  /** Runs `work`, which changes names in the directory. What it changed is durable after a `sync`. */
  async change<T>(work: () => Promise<T>): Promise<T> {
    // Counted before, because a reader sees a new name before the one who made it learns so; and after,
    // because a sync that ran meanwhile may have missed it.
    this.#changing += 1;
    this.#changes += 1;
    try {
      return await work();
    } finally {
      this.#changing -= 1;
      this.#changes += 1;
    }
  }

  /** Resolves when every name that is visible now is durable. */
  async sync(): Promise<void> {
    if (this.settled && !this.#foreign) return;
    if (!this.#anchored) await this.#parent?.sync();
    // Directories stay: what others change in the one above is nothing to this one.
    this.#anchored = this.#foreign;
    await this.#shared();
  }

  #shared(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    // One that runs already may have begun before the change that matters here.
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<void> {
    const changes = this.#changes;
    this.#next = undefined;
    this.#running = this.#sync(this.path)
      .then(() => {
        this.#durable = Math.max(this.#durable, changes);
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }
}

/** How directories are synced: really, or, when the kernel is left to it, not at all. */
export function directorySync(durable: boolean): ((path: string) => Promise<void>) | undefined {
  return durable ? syncDirectory : undefined;
}
