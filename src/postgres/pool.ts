import pg from "pg";
import { Client, connectionString, withOptions } from "./client.ts";

export interface PoolOptions {
  /** `postgres://user:password@host:port/database`, with the parameters of libpq such as `sslmode`. */
  readonly url: string;
  /** Connections that are open at a time. */
  readonly connections: number;
  /** Told of a connection that broke while nobody used it; the pool opens another when one is needed. */
  readonly onLost: (error: Error) => void;
  /** `full`: what has been committed is on the database's disk, however that is set up. `os`: as that is set up. */
  readonly durability: "full" | "os";
  /** Whether a statement may take as long as it takes, and wait for locks. */
  readonly patient?: boolean;
}

// Milliseconds. Whoever waits for longer than these is told to try again.
const CONNECT_WITHIN = 5000;
const STATEMENT_WITHIN = 15_000;
const LOCKED_WITHIN = 10_000;
// A server that died in the middle of a transaction must not keep others from a repository.
const IDLE_IN_TRANSACTION = 15_000;

/** Opens no connection yet. The caller ends the pool. */
export function openPool({ url, connections, durability, onLost, patient = false }: PoolOptions): pg.Pool {
  const within = (milliseconds: number) => (patient ? 0 : milliseconds);
  const pool = new pg.Pool({
    Client,
    connectionString: connectionString(
      durability === "full" ? withOptions(url, "-c synchronous_commit=on") : url,
    ),
    max: connections,
    connectionTimeoutMillis: CONNECT_WITHIN,
    statement_timeout: within(STATEMENT_WITHIN),
    lock_timeout: within(LOCKED_WITHIN),
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION,
    // What answers no more is noticed, also behind a firewall that drops packets.
    query_timeout: within(STATEMENT_WITHIN + CONNECT_WITHIN),
    keepAlive: true,
    application_name: "layerd",
    types: { getTypeParser: parserOf },
  });
  pool.on("error", (error: Error & { client?: unknown }) => {
    // The whole connection hangs on it, and would go to the log with it.
    delete error.client;
    onLost(error);
  });
  // Of a connection that breaks while somebody has it, between two statements, the next statement tells.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/** Counts and sizes are numbers here: PostgreSQL's 64 bits hold more than a number can, but no bytes of that many. */
const parserOf = ((type: number, format: "text" | "binary" = "text") =>
  type === pg.types.builtins.INT8 ? parseInteger : pg.types.getTypeParser(type, format)) as NonNullable<
  pg.CustomTypesConfig["getTypeParser"]
>;

function parseInteger(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${text} is larger than any size can be`);
  return number;
}
