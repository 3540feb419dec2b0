import { DatabaseError } from "./database-error.ts";
import { openPool } from "./pool.ts";
import { Schema } from "./schema.ts";

/**
 * Makes sure that a database can be used as this version needs it; makes the schema of an empty one.
 * @returns when the schema was made, in ISO 8601
 * @throws DatabaseError with one sentence that says what is wrong and what to do
 */
export async function settleSchema(url: string): Promise<string> {
  return await withSchema(url, async (schema) => {
    if (await schema.isReadOnly()) throw new DatabaseError(`${placeOf(url)} is read-only: name the primary`);
    await schema.settle();
    return await schema.madeAt();
  });
}

/** Works on the schema of a database. @throws DatabaseError as above */
export async function withSchema<T>(url: string, work: (schema: Schema) => Promise<T>): Promise<T> {
  const pool = openPool({ url, connections: 2, durability: "full", onLost: () => undefined, patient: true });
  try {
    return await work(new Schema(pool));
  } catch (error) {
    throw explain(error as Error & { code?: string }, url);
  } finally {
    await pool.end();
  }
}

/** What a connection that failed says to whoever started the process; other errors as they came. */
export function explain(error: Error & { code?: string }, url: string): Error {
  if (error instanceof DatabaseError) return error;
  const say = (what: string) => new DatabaseError(`${placeOf(url)} ${what}`, { cause: error });
  switch (error.code) {
    case "28000":
    case "28P01":
      return say("refuses the user, or the password that index, PGPASSWORD or ~/.pgpass has");
    case "3D000":
      return say("is not there: create it first, with `createdb`");
    case "42501":
      return say(`does not let this user make or read tables: ${error.message}`);
    case "25006":
      return say("is read-only: name the primary");
    case "53300":
      return say("has no connection left: raise its max_connections, or lower indexConnections");
    default:
      return isStatementError(error) ? error : say(explainConnecting(error));
  }
}

const UNKNOWN_HOST = "there is no host of that name: correct index";
const REASONS: Readonly<Record<string, string>> = {
  EAI_AGAIN: UNKNOWN_HOST,
  ECONNREFUSED: "nothing answers there: start it, or correct index",
  ENOTFOUND: UNKNOWN_HOST,
};

function explainConnecting({ code = "", message }: { code?: string; message: string }): string {
  // The driver has no codes for these.
  if (/password must be a/.test(message)) {
    return "asks for a password: PGPASSWORD, ~/.pgpass or index may have it";
  }
  if (/timeout/.test(message)) {
    return "cannot be reached: nothing answers there in time: look at index and the network";
  }
  return `cannot be reached: ${REASONS[code] ?? (message || code)}`;
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
