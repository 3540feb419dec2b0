import { EventEmitter } from "node:events";
import pg from "pg";
import { Client, connectionString } from "./client.ts";
import { toStoreError } from "./errors.ts";

/*
 * A connection that stays open: what holds as long as it does, and what servers tell each other.
 *
 * Locks of the database end with the connection that took them. It notices that a process is gone at once when that
 * dies, and after a while when only the network between them does; the process has to notice earlier.
 */

// Milliseconds.
const CONNECT_WITHIN = 5000;
const BEAT_EVERY = 3000;
const ANSWER_WITHIN = 5000;
// Seconds after which the database gives up a client that it does not hear of: more than BEAT_EVERY and ANSWER_WITHIN.
const SERVER_KEEPALIVE = { idle: 10, interval: 5, count: 2 };
const CHANNEL = "layerd";
// Any number: keys are hashes of names, and this keeps them apart from those of other programs.
const SEED = 7_289_054;

/** A lock of the database. */
export interface SessionLock {
  /** Aborts when it is lost with the connection. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

interface Live {
  readonly client: pg.Client;
  /** One statement after the other: the client takes no two. */
  readonly query: <Row extends pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ) => Promise<pg.QueryResult<Row>>;
  readonly lost: AbortController;
  /** Names of the locks that it has: to the database, all of a connection's are one owner's. */
  readonly locked: Set<string>;
  readonly beating: NodeJS.Timeout;
  readonly drop: Drop;
}

/** Gives up a connection: whatever it held is not held any more, and the next use connects anew. Idempotent. */
type Drop = (error: Error) => void;

/** Connects when it is first used, and again after it was lost. */
export class Session {
  readonly #url: string;
  readonly #onLost: (error: Error) => void;
  readonly #heard = new EventEmitter<{ message: [string] }>();
  #live: Promise<Live> | undefined;
  #closed = false;

  constructor({ url, onLost }: { readonly url: string; readonly onLost: (error: Error) => void }) {
    this.#url = url;
    this.#onLost = onLost;
  }

  /** Has `listener` told of what any server says, this one too, while the connection lasts. */
  listen(listener: (message: string) => void): void {
    this.#heard.on("message", listener);
  }

  /** Tells every server. @throws UNAVAILABLE */
  async tell(message: string): Promise<void> {
    await this.#ask("select pg_notify($1, $2)", [CHANNEL, message]);
  }

  /** `undefined` when it is taken, by this process or another. @throws UNAVAILABLE */
  async tryLock(name: string): Promise<SessionLock | undefined> {
    const live = await this.#connected().catch(fail);
    if (live.locked.has(name)) return undefined;
    live.locked.add(name);
    try {
      const { rows } = await live.query<{ taken: boolean }>(
        "select pg_try_advisory_lock(hashtextextended($1, $2)) as taken",
        [name, SEED],
      );
      if (rows[0]?.taken === true) return this.#lock(name, live);
      live.locked.delete(name);
      return undefined;
    } catch (error) {
      live.locked.delete(name);
      // Without an answer, the connection may have the lock or get it yet, and nobody would let go of it.
      if (!(error instanceof pg.DatabaseError)) live.drop(error as Error);
      throw toStoreError(error);
    }
  }

  /** Ends the connection, and with it all locks. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const live = await this.#live?.catch(() => undefined);
    if (live === undefined) return;
    clearInterval(live.beating);
    await live.client.end();
  }

  #lock(name: string, { lost, locked, query, drop }: Live): SessionLock {
    let released = false;
    return {
      signal: lost.signal,
      release: async () => {
        // Lost with its connection, it is nobody's already, or somebody else's.
        if (released || lost.signal.aborted) return;
        released = true;
        await query("select pg_advisory_unlock(hashtextextended($1, $2))", [name, SEED]).catch(drop);
        locked.delete(name);
      },
    };
  }

  async #ask(text: string, values: readonly unknown[]): Promise<void> {
    try {
      const { query } = await this.#connected();
      await query(text, values);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  async #connected(): Promise<Live> {
    if (this.#closed) throw new Error("the session is closed");
    this.#live ??= this.#connect();
    return await this.#live;
  }

  #connect(): Promise<Live> {
    const live: Promise<Live> = open(this.#url, {
      drop: (error) => this.#drop(live, error),
      heard: (message) => this.#heard.emit("message", message),
    });
    live.catch(() => {
      if (this.#live === live) this.#live = undefined;
    });
    return live;
  }

  /** One that was given up tells of its end later, when another may have taken its place. */
  #drop(live: Promise<Live>, error: Error): void {
    if (this.#live !== live) return;
    this.#live = undefined;
    void live.then(
      ({ client, lost, beating }) => {
        clearInterval(beating);
        lost.abort(toStoreError(error));
        // One that does not answer is not asked to: with a statement under way, this ends it at once.
        client.end().catch(() => undefined);
        if (!this.#closed) this.#onLost(error);
      },
      () => undefined,
    );
  }
}

async function open(
  url: string,
  { drop, heard }: { readonly drop: Drop; readonly heard: (message: string) => void },
): Promise<Live> {
  const client = new Client({
    connectionString: connectionString(url),
    connectionTimeoutMillis: CONNECT_WITHIN,
    query_timeout: ANSWER_WITHIN,
    keepAlive: true,
    application_name: "layerd session",
  });
  client.on("error", drop);
  client.on("end", () => drop(new Error("the database has ended the connection")));
  client.on("notification", ({ payload = "" }) => heard(payload));
  try {
    await client.connect();
    const { idle, interval, count } = SERVER_KEEPALIVE;
    await client.query(
      `set tcp_keepalives_idle = ${idle}; set tcp_keepalives_interval = ${interval}; ` +
        `set tcp_keepalives_count = ${count}; set idle_session_timeout = 0; listen ${CHANNEL}`,
    );
  } catch (error) {
    client.end().catch(() => undefined);
    throw error;
  }
  const query = oneByOne(client);
  const beating = setInterval(() => {
    query("select").catch(drop);
  }, BEAT_EVERY).unref();
  return { client, query, lost: new AbortController(), locked: new Set(), beating, drop };
}

function fail(error: unknown): never {
  throw toStoreError(error);
}

function oneByOne(client: pg.Client): Live["query"] {
  let last: Promise<unknown> = Promise.resolve();
  return <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) => {
    const answer = last.then(() => client.query<Row>(text, [...values]));
    last = answer.catch(() => undefined);
    return answer;
  };
}
