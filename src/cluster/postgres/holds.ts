import type pg from "pg";
import type { Digest } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import { Slots } from "../../core/slots.ts";
import { give, isPromised, lockUnpromised } from "../../index/postgres/promises.ts";
import { toStoreError } from "../../postgres/errors.ts";
import { type Connection, run, statements } from "../../postgres/statement.ts";
import { transaction } from "../../postgres/transaction.ts";
import { LocalHolds } from "../local-holds.ts";
import type { Hold, Holds } from "../port.ts";

/*
 * Holds among servers: whoever is about to rely on a blob promises it, in the index's own table of promises, and
 * whoever discards one locks the row of its promise, looks, and keeps it locked until the blob is gone. Whichever comes
 * first, the other sees it. A promise is not taken back: it ends with its time.
 */

export const STATEMENTS = statements("holds", { generation: "select current from promise_generation" });

export interface PostgresHoldsOptions {
  readonly pool: pg.Pool;
  /**
   * Connections for what is being discarded, which wait for the disk; absent when the blob store asks `mayDiscard`
   * in a transaction of its own, so that nothing can come between at all.
   */
  readonly discarding?: pg.Pool | undefined;
}

export class PostgresHolds implements Holds {
  readonly #pool: pg.Pool;
  readonly #discarding: pg.Pool | undefined;
  /** Who may use a connection of these: the pool would call it a failure when a slow disk keeps somebody waiting. */
  readonly #slots: Slots;
  readonly #here = new LocalHolds();
  /** When what is needed began to be found out. */
  #since: number | undefined;

  constructor({ pool, discarding }: PostgresHoldsOptions) {
    this.#pool = pool;
    this.#discarding = discarding;
    this.#slots = new Slots(discarding?.options.max ?? 0);
  }

  open(): Hold {
    const here = this.#here.open();
    const mine = new Set<Digest>();
    return {
      add: (digest) => {
        if (mine.has(digest)) return undefined;
        mine.add(digest);
        here.add(digest);
        return give(this.#pool, [digest]).catch(fail);
      },
      [Symbol.dispose]: () => here[Symbol.dispose](),
    };
  }

  /** Of what others hold, promises tell. */
  has(digest: Digest): boolean {
    return this.#here.has(digest);
  }

  async remember(): Promise<void> {
    this.#since = await generation(this.#pool).catch(fail);
  }

  forget(): void {
    this.#since = undefined;
  }

  async unlessHeld<T>(
    digest: Digest,
    discard: () => Promise<T>,
    restore?: () => Promise<unknown>,
  ): Promise<T | undefined> {
    if (this.#discarding === undefined) {
      // Not for safety: a dry run discards nothing, and is to say the same.
      return (await isPromised(this.#pool, digest).catch(fail)) ? undefined : await discard();
    }
    let discarded = false;
    await this.#slots.take();
    try {
      return await transaction(this.#discarding, async (connection) => {
        if (!(await this.mayDiscard(connection, digest))) return undefined;
        discarded = true;
        return await discard();
      });
    } catch (error) {
      // The lock may have been lost before the blob was gone, and somebody may have been told that it is there.
      if (discarded) await restore?.();
      throw toStoreError(error);
    } finally {
      this.#slots.give();
    }
  }

  /** A reader who is told that a damaged blob is here will be told otherwise in a moment, as the next one is. */
  async unlessUsed<T>(_digest: Digest, work: () => Promise<T>): Promise<T> {
    return await work();
  }

  /**
   * Locks a blob's promise until the transaction ends; false when somebody holds it.
   * @throws UNAVAILABLE when promises of the time since `remember` may have ended by now
   */
  async mayDiscard(connection: Connection, digest: Digest): Promise<boolean> {
    if ((await lockUnpromised(connection, [digest])).has(digest)) return false;
    const since = this.#since;
    // Those of that generation and the one after it are kept.
    if (since === undefined || (await generation(connection)) <= since + 1) return true;
    throw new LayerdError(
      "UNAVAILABLE",
      "this collection has taken longer than gcGrace, and who has relied on what since it began is not known any more: raise gcGrace",
    );
  }
}

async function generation(connection: Connection): Promise<number> {
  const [row] = await run<{ current: number }>(connection, STATEMENTS.generation, []);
  return row?.current ?? 0;
}

function fail(error: unknown): never {
  throw toStoreError(error);
}
