import type { Pool, QueryResult } from "pg";
import { toStoreError } from "../../postgres/errors.ts";
import type { Connection } from "../../postgres/statement.ts";
import { transaction } from "../../postgres/transaction.ts";

/** One row, as the driver gives it. */
export type Row = Record<string, unknown>;

export interface Queries {
  /** What they run on. */
  readonly connection: Connection;
  query(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** Statements and transactions on a pool; what the database cannot do now is UNAVAILABLE. */
export class Database implements Queries {
  readonly connection: Pool;

  constructor(pool: Pool) {
    this.connection = pool;
  }

  async query(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return await this.connection.query(text, [...values]).then(rowsOf, fail);
  }

  /** Undone as a whole when `work` throws. */
  async transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    return await transaction(this.connection, (connection) =>
      work({
        connection,
        query: (text, values = []) => connection.query(text, [...values]).then(rowsOf, fail),
      }),
    ).catch(fail);
  }
}

function rowsOf({ rows }: QueryResult<Row>): Row[] {
  return rows;
}

function fail(error: unknown): never {
  throw toStoreError(error);
}
