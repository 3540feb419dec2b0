import type { Pool, PoolClient, QueryResult } from "pg";
import { toStoreError } from "../../postgres/errors.ts";

/** One row, as the driver gives it. */
export type Row = Record<string, unknown>;

export interface Queries {
  query(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** Statements and transactions on a pool; what the database cannot do now is UNAVAILABLE. */
export class Database implements Queries {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async query(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return await this.#pool.query(text, [...values]).then(rowsOf, fail);
  }

  /** Undone as a whole when `work` throws. */
  async transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch(fail);
    let broken: Error | undefined;
    // A connection that breaks between two statements tells so by an event that nobody else listens to.
    const onError = (error: Error) => {
      broken = error;
    };
    client.on("error", onError);
    try {
      return await inTransaction(client, work);
    } catch (error) {
      await client.query("rollback").catch((failure: Error) => {
        broken ??= failure;
      });
      throw error;
    } finally {
      client.off("error", onError);
      client.release(broken);
    }
  }
}

async function inTransaction<T>(client: PoolClient, work: (queries: Queries) => Promise<T>): Promise<T> {
  const queries: Queries = {
    query: (text, values = []) => client.query(text, [...values]).then(rowsOf, fail),
  };
  await queries.query("begin");
  const result = await work(queries);
  await queries.query("commit");
  return result;
}

function rowsOf({ rows }: QueryResult<Row>): Row[] {
  return rows;
}

function fail(error: unknown): never {
  throw toStoreError(error);
}
