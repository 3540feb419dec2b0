import type pg from "pg";
import { DatabaseError } from "./database-error.ts";
import { openPool } from "./pool.ts";
import { Schema } from "./schema.ts";

/**
 * Makes sure that a database can be used as this version needs it; makes the schema of an empty one.
 * @throws DatabaseError with one sentence that says what is wrong and what to do
 */
export async function settleSchema(pool: pg.Pool, url: string): Promise<void> {
  await explained(url, async () => {
    const { rows } = await pool.query("select current_setting('transaction_read_only') as read_only");
    if (rows[0]?.read_only === "on")
      throw new DatabaseError(`${placeOf(url)} is read-only: name the primary`);
    await new Schema(pool).settle();
  });
}

/** Works on the schema of a database. @throws DatabaseError as above */
export async function withSchema<T>(url: string, work: (schema: Schema) => Promise<T>): Promise<T> {
  const pool = openPool({ url, connections: 2, onLost: () => undefined });
  try {
    return await explained(url, () => work(new Schema(pool)));
  } finally {
    await pool.end();
  }
}

async function explained<T>(url: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(error as Error & { code?: string }, url);
  }
}

/** What a connection that failed says to whoever started the process; other errors as they came. */
export function explain(error: Error & { code?: string }, url: string): Error {
  if (error instanceof DatabaseError) return error;
  const say = (what: string) => new DatabaseError(`${placeOf(url)} ${what}`, { cause: error });
  switch (error.code) {
    case "28000":
    case "28P01":
      return say("refuses the user or the password that index names");
    case "3D000":
      return say("is not there: create it first, with `createdb`");
    case "42501":
      return say(`does not let this user make or read tables: ${error.message}`);
    case "25006":
      return say("is read-only: name the primary");
    case "53300":
      return say("has no connection left: raise its max_connections, or lower indexConnections");
    default:
      return isStatementError(error) ? error : say(`cannot be reached: ${error.message || error.code}`);
  }
}

/** What is wrong with a statement is a fault of ours (classes 22, 23, 42). */
function isStatementError({ code = "" }: { code?: string }): boolean {
  return /^(?:22|23|42)[0-9A-Z]{3}$/.test(code);
}

/** The database's address, without whoever goes there. */
function placeOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `the database ${pathname.slice(1)} on ${hostname === "" ? "this machine" : hostname}${port === "" ? "" : `:${port}`}`;
}
