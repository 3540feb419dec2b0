import type pg from "pg";
import { toStoreError } from "../../postgres/errors.ts";
import type { Session } from "../../postgres/session.ts";
import { run, statements } from "../../postgres/statement.ts";
import type { Cluster, Duty, Turn } from "../port.ts";
import type { PostgresHolds } from "./holds.ts";

export const STATEMENTS = statements("duty", {
  due: `select extract(epoch from done_at - now()) * 1000 + $2::float8 as "dueIn" from duties where name = $1`,
  done: `insert into duties (name, done_at) values ($1, now())
    on conflict (name) do update set done_at = excluded.done_at`,
});

// Milliseconds after which it is worth looking again whether another server is still at it.
const LOOK_AGAIN = 60_000;

/** Servers that share a database. It ends neither pool nor session. */
export function createPostgresCluster(parts: {
  readonly pool: pg.Pool;
  readonly session: Session;
  readonly holds: PostgresHolds;
}): Cluster {
  const { pool, session, holds } = parts;
  return {
    shared: true,
    holds,
    alone: async <T>({ name, every }: Duty, work: (signal: AbortSignal) => Promise<T>): Promise<Turn<T>> => {
      const lock = await session.tryLock(`duty ${name}`);
      if (lock === undefined) return { dueIn: Math.min(every ?? LOOK_AGAIN, LOOK_AGAIN) };
      try {
        const dueIn = every === undefined ? 0 : await timeLeft(pool, name, every);
        if (dueIn > 0) return { dueIn };
        const result = await work(lock.signal);
        await run(pool, STATEMENTS.done, [name]).catch(fail);
        return { result };
      } finally {
        await lock.release();
      }
    },
    close: async () => {},
  };
}

async function timeLeft(pool: pg.Pool, name: string, every: number): Promise<number> {
  const [row] = await run<{ dueIn: number | null }>(pool, STATEMENTS.due, [name, every]).catch(fail);
  return row?.dueIn ?? 0;
}

function fail(error: unknown): never {
  throw toStoreError(error);
}
