import { Kysely, PostgresDialect } from "kysely";
import { type MigrationResultSet, Migrator } from "kysely/migration";
import type pg from "pg";
import { DatabaseError } from "./database-error.ts";
import { isContract, MIGRATIONS, NEEDED } from "./migrations/all.ts";

/** One step of the history, and when it was taken, if it was. */
export interface Step {
  readonly name: string;
  readonly at: Date | undefined;
}

const NAMES = Object.keys(MIGRATIONS).sort();
const HISTORY = { migrationTableName: "layerd_migrations", migrationLockTableName: "layerd_migrations_lock" };
// Any number that nobody else takes for a lock of theirs.
const LOCK = 7_289_054_211;

/** The history of a database's schema. The pool stays the caller's, is patient, and has two connections at least. */
export class Schema {
  readonly #pool: pg.Pool;
  readonly #migrator: Migrator;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
    this.#migrator = new Migrator({
      db: new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) }),
      provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
      // A backfill is many transactions. Steps that are one make it themselves.
      disableTransactions: true,
      ...HISTORY,
    });
  }

  async isReadOnly(): Promise<boolean> {
    const { rows } = await this.#pool.query("select current_setting('transaction_read_only') as read_only");
    return rows[0]?.read_only === "on";
  }

  /** All steps that this version knows, oldest first. */
  async status(): Promise<Step[]> {
    const taken = new Map((await this.#taken()).map(({ name, at }) => [name, at]));
    return NAMES.map((name) => ({ name, at: taken.get(name) }));
  }

  /**
   * Takes every step up to `to`. Others that do so at the same time wait.
   * @param to default: the last one before which older servers have to be gone; all, in an empty database.
   * @returns those taken
   * @throws DatabaseError when there is no such step, or a later version has taken some
   */
  async up(to?: string): Promise<string[]> {
    return await this.#locked(async () => {
      const taken = await this.#known();
      const last = to ?? lastBefore(taken);
      if (!NAMES.includes(last)) {
        throw new DatabaseError(`there is no step ${last}; there are ${NAMES.join(", ")}`);
      }
      // Going there would mean to go back.
      if (taken.includes(last)) return [];
      return done(await this.#migrator.migrateTo(last));
    });
  }

  /**
   * Takes back the last step, with all that only it could hold.
   * @returns its name, if there was one
   * @throws DatabaseError when a later version has taken some
   */
  async down(): Promise<string[]> {
    return await this.#locked(async () => {
      await this.#known();
      return done(await this.#migrator.migrateDown());
    });
  }

  /**
   * Makes the schema of an empty database; another is left as it is.
   * @throws DatabaseError when it is too old or too new for this version
   */
  async settle(): Promise<void> {
    let taken = await this.#names();
    if (taken.length === 0) {
      await this.up();
      return;
    }
    // Another server may be just at it.
    if (!taken.includes(NEEDED)) taken = await this.#locked(() => this.#names());
    if (!taken.includes(NEEDED)) {
      throw new DatabaseError(
        `the schema of the database is too old for this version (${NEEDED} is missing): run ${wayTo(NEEDED, taken)}`,
      );
    }
    const { rows } = await this.#pool.query<{ serves: string }>("select serves from layerd_schema");
    const serves = rows[0]?.serves ?? "";
    if (serves > NEEDED) {
      throw new DatabaseError(
        `the schema of the database is too new for this version (it serves those from ${serves} on): run a later version, or take steps back with its \`layerd migrate down\``,
      );
    }
  }

  /** When the first step was taken, in ISO 8601. There has to be a schema. */
  async madeAt(): Promise<string> {
    const [first] = await this.#taken();
    if (first === undefined) throw new DatabaseError("the database has no schema: run `layerd migrate up`");
    return first.at.toISOString();
  }

  /** The steps that have been taken. */
  async #known(): Promise<string[]> {
    const taken = await this.#names();
    const unknown = taken.find((name) => !NAMES.includes(name));
    if (unknown === undefined) return taken;
    throw new DatabaseError(
      `a later version of layerd has taken the step ${unknown}: use the \`layerd migrate\` of that one`,
    );
  }

  async #names(): Promise<string[]> {
    return (await this.#taken()).map(({ name }) => name);
  }

  /** Also steps that only a later version knows. */
  async #taken(): Promise<{ name: string; at: Date }[]> {
    const { rows: found } = await this.#pool.query(
      "select to_regclass('layerd_migrations') is not null as there",
    );
    if (found[0]?.there !== true) return [];
    const { rows } = await this.#pool.query<{ name: string; timestamp: string }>(
      "select name, timestamp from layerd_migrations order by name",
    );
    return rows.map(({ name, timestamp }) => ({ name, at: new Date(timestamp) }));
  }

  /** One at a time, of all processes. The lock is gone with its connection. */
  async #locked<T>(work: () => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    try {
      await client.query("select pg_advisory_lock($1)", [LOCK]);
      return await work();
    } finally {
      client.release(true);
    }
  }
}

/** In a database that servers may be using, contract steps are only taken by name. */
function lastBefore(taken: readonly string[]): string {
  if (taken.length === 0) return NAMES.at(-1) ?? "";
  const next = NAMES.findIndex((name) => isContract(name) && !taken.includes(name));
  return NAMES.at(next === -1 ? -1 : next - 1) ?? "";
}

/** How an operator gets there: over contract steps only by saying so. */
function wayTo(step: string, taken: readonly string[]): string {
  if (lastBefore(taken) >= step) return "`layerd migrate up`";
  return `\`layerd migrate up --to ${step}\`, once no server of an older version runs`;
}

function done({ error, results = [] }: MigrationResultSet): string[] {
  if (error !== undefined) throw error;
  return results.map(({ migrationName }) => migrationName);
}
