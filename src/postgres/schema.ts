import { Kysely, PostgresDialect } from "kysely";
import { type MigrationResultSet, Migrator } from "kysely/migration";
import type pg from "pg";
import { DatabaseError } from "./database-error.ts";
import { MIGRATIONS } from "./migrations/all.ts";

/** One step of the history, and when it was taken, if it was. */
export interface Step {
  readonly name: string;
  readonly at: Date | undefined;
}

const NAMES = Object.keys(MIGRATIONS).sort();
/** The last step that the statements of this version need. */
const NEEDED = NAMES.at(-1) ?? "";
const HISTORY = { migrationTableName: "layerd_migrations", migrationLockTableName: "layerd_migrations_lock" };

/** The history of a database's schema. The pool stays the caller's. */
export class Schema {
  readonly #pool: pg.Pool;
  readonly #migrator: Migrator;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
    const database = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
    this.#migrator = new Migrator({
      db: database,
      provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
      ...HISTORY,
    });
  }

  /** All steps that this version knows, oldest first. */
  async status(): Promise<Step[]> {
    const taken = new Map((await this.#taken()).map(({ name, at }) => [name, at]));
    return NAMES.map((name) => ({ name, at: taken.get(name) }));
  }

  /**
   * Takes every step up to `to` (default: all). Other servers that do so at the same time wait.
   * @returns those taken
   * @throws DatabaseError when there is no such step
   */
  async up(to: string = NEEDED): Promise<string[]> {
    if (!NAMES.includes(to)) throw new DatabaseError(`there is no step ${to}; there are ${NAMES.join(", ")}`);
    return done(await this.#migrator.migrateTo(to));
  }

  /** Takes back the last step, with all that only it could hold. @returns its name, if there was one */
  async down(): Promise<string[]> {
    return done(await this.#migrator.migrateDown());
  }

  /**
   * Makes the schema of an empty database; another is left as it is.
   * @throws DatabaseError when it is too old or too new for this version
   */
  async settle(): Promise<void> {
    const taken = await this.#taken();
    if (taken.length === 0) {
      await this.up();
      return;
    }
    const unknown = taken.map(({ name }) => name).find((name) => !NAMES.includes(name));
    if (unknown !== undefined) {
      throw new DatabaseError(
        `the database has the schema of a later version of layerd (${unknown}): run that version, or take it back with its \`layerd migrate down\``,
      );
    }
    if (!taken.some(({ name }) => name === NEEDED)) {
      throw new DatabaseError(
        `the schema of the database is too old for this version (${NEEDED} is missing): run \`layerd migrate up\``,
      );
    }
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
}

function done({ error, results = [] }: MigrationResultSet): string[] {
  if (error !== undefined) throw error;
  return results.map(({ migrationName }) => migrationName);
}
