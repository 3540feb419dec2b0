import { type Kysely, sql } from "kysely";
import { isConflict } from "../errors.ts";

/*
 * How steps change a schema that servers are using. A statement that needs a table for itself waits for a moment
 * only: behind it everybody else would have to wait too. It fails then, and the step can be taken again.
 */

// PostgreSQL's default is to wait for ever.
const LOCK_WITHIN = "2s";

/** All statements or none. */
export async function inTransaction(database: Kysely<unknown>, statements: readonly string[]): Promise<void> {
  await database.transaction().execute(async (transaction) => {
    await sql.raw(`set local lock_timeout = '${LOCK_WITHIN}'`).execute(transaction);
    for (const statement of statements) await sql.raw(statement).execute(transaction);
  });
}

/** Each for itself, for those that must not hold what the one before has locked: each must be repeatable. */
export async function oneByOne(database: Kysely<unknown>, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await inTransaction(database, [statement]);
}

/** Says that only servers which need this step, or a later one, understand the schema from now on. */
export function serves(step: string): string {
  return `update layerd_schema set serves = '${step}'`;
}

// 512 KiB of a table: a transaction of some milliseconds.
const PAGES = 64;

/** Which rows are changed, and how. */
export interface Backfill {
  readonly table: string;
  readonly set: string;
  /** True of rows that are still to be changed, and no more of those that have been. */
  readonly where: string;
}

/**
 * Changes the rows that were there before, some pages of the table at a time, each in a transaction of its own: what
 * is done stays done when it is interrupted, and is only read when it is begun again. Rows that come meanwhile must be
 * right already.
 */
export async function inBatches(database: Kysely<unknown>, { table, set, where }: Backfill): Promise<void> {
  const left = sql<{
    left: boolean;
  }>`select exists (select from ${sql.table(table)} where ${sql.raw(where)}) as left`;
  do {
    const size = sql<{
      pages: number;
    }>`select pg_relation_size(${table}) / current_setting('block_size')::int as pages`;
    const pages = (await size.execute(database)).rows[0]?.pages ?? 0;
    for (let page = 0; page < pages; page += PAGES) {
      const between = `ctid >= '(${page},0)' and ctid < '(${page + PAGES},0)'`;
      await patiently(() =>
        sql.raw(`update ${table} set ${set} where ${between} and ${where}`).execute(database),
      );
    }
  } while ((await left.execute(database)).rows[0]?.left === true);
}

/** Servers change rows in an order of their own: whoever loses to them tries again. */
async function patiently(work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}
