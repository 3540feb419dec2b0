import { LRUCache } from "lru-cache";
import { LayerdError } from "../core/errors.ts";
import type { RepositoryName } from "../core/name.ts";
import type { Repository } from "./repository.ts";

interface Slot {
  readonly name: RepositoryName;
  readonly repository: Repository;
  pins: number;
}

// What a repository weighs beyond its entries: its own objects and an open file.
const LEAST_WEIGHT = 250;

/**
 * The repositories in memory. One that is in use is pinned, and neither closed nor opened a second time; of
 * those that are not, the ones used last are kept as long as they do not weigh too much together.
 */
export class RepositoryCache {
  readonly #open: (name: RepositoryName) => Repository;
  readonly #capacity: number;
  readonly #slots = new Map<RepositoryName, Slot>();
  readonly #idle: LRUCache<RepositoryName, Slot>;
  readonly #leaving = new Set<Promise<void>>();
  readonly #unpinned = Promise.withResolvers<void>();
  #pinned = 0;
  #closing: Promise<void> | undefined;

  /** @param capacity how many entries the idle ones may have together; each counts for at least 250. */
  constructor(open: (name: RepositoryName) => Repository, capacity: number) {
    this.#open = open;
    this.#capacity = capacity;
    this.#idle = new LRUCache({
      maxSize: capacity,
      dispose: (slot, _name, reason) => {
        if (reason === "evict") this.#drop(slot);
      },
    });
  }

  /** One that is in memory, to be used before anything else happens. */
  peek(name: RepositoryName): Repository | undefined {
    return (this.#idle.get(name) ?? this.#slots.get(name))?.repository;
  }

  /** Whether there is such a repository; `undefined` when that is not known in memory. Wakes none up. */
  exists(name: RepositoryName): boolean | undefined {
    return this.#slots.get(name)?.repository.exists;
  }

  /** Keeps the repository open while `work` runs, and while something goes on behind it. */
  async use<T>(name: RepositoryName, work: (repository: Repository) => Promise<T>): Promise<T> {
    const slot = this.#pin(name);
    try {
      return await work(slot.repository);
    } finally {
      const { background } = slot.repository;
      if (background === undefined) this.#unpin(slot);
      else void background.then(() => this.#unpin(slot));
    }
  }

  /** @throws UNAVAILABLE after `close`, as `use` does. */
  assertOpen(): void {
    if (this.#closing !== undefined) throw new LayerdError("UNAVAILABLE", "the index is closed");
  }

  /** Waits for what is running, then closes all. Idempotent; `use` afterwards throws UNAVAILABLE. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#pinned > 0) await this.#unpinned.promise;
    this.#idle.clear();
    for (const slot of this.#slots.values()) this.#drop(slot);
    await Promise.all(this.#leaving);
  }

  #pin(name: RepositoryName): Slot {
    this.assertOpen();
    const slot = this.#slots.get(name) ?? { name, repository: this.#open(name), pins: 0 };
    this.#slots.set(name, slot);
    this.#idle.delete(name);
    this.#pinned++;
    slot.pins++;
    return slot;
  }

  #unpin(slot: Slot): void {
    slot.pins--;
    this.#pinned--;
    if (slot.pins === 0) this.#rest(slot);
    if (this.#pinned === 0 && this.#closing !== undefined) this.#unpinned.resolve();
  }

  #rest(slot: Slot): void {
    const { repository } = slot;
    if (repository.worthless) this.#drop(slot);
    else if (!repository.irreplaceable) this.#idle.set(slot.name, slot, { size: this.#weigh(repository) });
  }

  /** One giant counts for half at most: it neither drives out all others nor is driven out by the next one. */
  #weigh(repository: Repository): number {
    const weight = Math.max(repository.size, LEAST_WEIGHT);
    return Math.max(1, Math.min(weight, Math.floor(this.#capacity / 2)));
  }

  #drop(slot: Slot): void {
    this.#slots.delete(slot.name);
    // A close that fails leaves nothing behind that anyone could do something about: all is synced.
    const leaving = slot.repository.close().catch(() => {});
    this.#leaving.add(leaving);
    void leaving.then(() => this.#leaving.delete(leaving));
  }
}
