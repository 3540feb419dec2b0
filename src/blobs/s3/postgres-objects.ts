import type { Digest } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import { bytesOf, digestFrom } from "../../postgres/digests.ts";
import type { Connection } from "../../postgres/statement.ts";
import type { Discarded, Quarantined, UploadId } from "../port.ts";
import type { DeadObject, ObjectCatalog, StoredObject } from "./catalog.ts";
import type { Database, Queries, Row } from "./database.ts";

/**
 * Whether nobody is about to rely on a blob. Asked within the transaction that discards it, until whose end nobody may
 * begin to.
 */
export type MayDiscard = (connection: Connection, digest: Digest) => Promise<boolean>;

/** `ObjectCatalog` in the table `blob_objects`. */
export class PostgresObjects implements ObjectCatalog {
  readonly #database: Database;
  readonly #mayDiscard: MayDiscard;

  constructor(database: Database, mayDiscard: MayDiscard) {
    this.#database = database;
    this.#mayDiscard = mayDiscard;
  }

  async live(digest: Digest): Promise<StoredObject | undefined> {
    return await inState(this.#database, "live", digest);
  }

  async page(after: Digest | undefined, limit: number): Promise<Digest[]> {
    const rows = await this.#database.query(
      "select digest from blob_objects where state = 'live' and digest > $1 order by digest limit $2",
      [bytesAfter(after), limit],
    );
    return rows.map(({ digest }) => digestFrom(digest as Buffer));
  }

  async enter(key: string, upload?: UploadId): Promise<void> {
    await this.#database.query("insert into blob_objects (key, state, upload) values ($1, 'writing', $2)", [
      key,
      upload,
    ]);
  }

  async touch(key: string, multipart?: string): Promise<void> {
    await this.#database.query(
      `update blob_objects set since = now(), multipart = coalesce($2, multipart)
       where key = $1 and state = 'writing'`,
      [key, multipart],
    );
  }

  async publish(object: StoredObject): Promise<void> {
    await this.#database.transaction((queries) => publish(queries, object));
  }

  async abandon(key: string): Promise<void> {
    await this.#database.query(
      "update blob_objects set state = 'garbage', since = now() where key = $1 and state = 'writing'",
      [key],
    );
  }

  async discard(digest: Digest): Promise<StoredObject | undefined> {
    return await this.#database.transaction(async (queries) => {
      if (!(await this.#mayDiscard(queries.connection, digest))) return undefined;
      await lockDigest(queries, digest);
      const found = await inState(queries, "live", digest);
      if (found === undefined) return undefined;
      await toGarbage(queries, "trash", digest);
      await queries.query("update blob_objects set state = 'trash', since = now() where key = $1", [
        found.key,
      ]);
      return found;
    });
  }

  async trash(after: Digest | undefined, limit: number): Promise<Discarded[]> {
    const rows = await this.#database.query(
      "select * from blob_objects where state = 'trash' and digest > $1 order by digest limit $2",
      [bytesAfter(after), limit],
    );
    return rows.map((row) => {
      const { digest, size } = storedObject(row);
      return { digest, size, discardedAt: row.since as Date };
    });
  }

  async trashed(digest: Digest): Promise<StoredObject | undefined> {
    return await inState(this.#database, "trash", digest);
  }

  async restore(digest: Digest): Promise<boolean> {
    return await this.#database.transaction(async (queries) => {
      await lockDigest(queries, digest);
      const found = await inState(queries, "trash", digest);
      if (found === undefined) return false;
      if ((await inState(queries, "live", digest)) !== undefined) {
        await toGarbage(queries, "trash", digest);
        return true;
      }
      // A purge asks for no lock: it may have come between.
      const moved = await queries.query(
        "update blob_objects set state = 'live', since = now() where key = $1 and state = 'trash' returning key",
        [found.key],
      );
      return moved.length > 0;
    });
  }

  async purge(digest: Digest): Promise<void> {
    await toGarbage(this.#database, "trash", digest);
  }

  async quarantine(key: string): Promise<boolean> {
    const moved = await this.#database.query(
      `update blob_objects set state = 'quarantine', since = now() where key = $1 and state = 'live' returning key`,
      [key],
    );
    return moved.length > 0;
  }

  async quarantined(after = "", limit: number): Promise<(Quarantined & { readonly key: string })[]> {
    const rows = await this.#database.query(
      "select key, digest, size, since from blob_objects where state = 'quarantine' and key > $1 order by key limit $2",
      [after, limit],
    );
    return rows.map((row) => ({ ...storedObject(row), quarantinedAt: row.since as Date }));
  }

  async dispose(digest: Digest): Promise<string[]> {
    const rows = await this.#database.query(
      "update blob_objects set state = 'garbage' where state = 'quarantine' and digest = $1 returning key",
      [bytesOf(digest)],
    );
    return rows.map(({ key }) => String(key));
  }

  async garbage(
    { before, keys }: { readonly before?: Date; readonly keys?: readonly string[] },
    limit: number,
  ): Promise<DeadObject[]> {
    const rows = await this.#database.query(
      `select key, multipart from blob_objects
       where state = 'garbage' and ($1::timestamptz is null or since < $1) and ($2::text[] is null or key = any($2))
       order by since limit $3`,
      [before, keys, limit],
    );
    return rows.map(({ key, multipart }) => ({ key: String(key), multipart: text(multipart) }));
  }

  async removed(key: string): Promise<void> {
    await this.#database.query("delete from blob_objects where key = $1 and state = 'garbage'", [key]);
  }

  async expire(before: Date): Promise<number> {
    // They have been out of use since they were touched: they may be removed at once.
    const rows = await this.#database.query(
      `update blob_objects o set state = 'garbage'
       where state = 'writing' and since < $1 and not exists (select from blob_uploads u where u.id = o.upload)
       returning key`,
      [before],
    );
    return rows.length;
  }

  async unknown(keys: readonly string[]): Promise<string[]> {
    const rows = await this.#database.query(
      `select k from unnest($1::text[]) k where not exists (select from blob_objects where key = k)`,
      [keys],
    );
    return rows.map(({ k }) => String(k));
  }

  async stray<T extends { readonly key: string; readonly multipart: string }>(
    multiparts: readonly T[],
  ): Promise<T[]> {
    const rows = await this.#database.query(
      "select multipart from blob_objects where multipart = any($1) and key = any($2)",
      [multiparts.map(({ multipart }) => multipart), multiparts.map(({ key }) => key)],
    );
    const known = new Set(rows.map(({ multipart }) => multipart));
    return multiparts.filter(({ multipart }) => !known.has(multipart));
  }
}

async function inState(
  queries: Queries,
  state: "live" | "trash",
  digest: Digest,
): Promise<StoredObject | undefined> {
  const [row] = await queries.query(
    `select key, digest, size from blob_objects where state = '${state}' and digest = $1`,
    [bytesOf(digest)],
  );
  return row && storedObject(row);
}

/** Within a transaction: `ObjectCatalog.publish`. */
export async function publish(queries: Queries, { key, digest, size }: StoredObject): Promise<void> {
  await lockDigest(queries, digest);
  // Whoever takes it for forgotten has to wait now, and then finds that it is not.
  const [written] = await queries.query(
    "select from blob_objects where key = $1 and state = 'writing' for update",
    [key],
  );
  if (written === undefined) {
    throw new LayerdError("UNAVAILABLE", "the upload took so long that what it had written was removed");
  }
  await toGarbage(queries, "live", digest);
  await queries.query(
    `update blob_objects set state = 'live', since = now(), digest = $2, size = $3, upload = null, multipart = null
     where key = $1`,
    [key, bytesOf(digest), size],
  );
}

/** Whoever else publishes, discards or restores that digest waits until the transaction has ended. */
async function lockDigest(queries: Queries, digest: Digest): Promise<void> {
  await queries.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [digest]);
}

/** Out of use it is since now, or since it came into the trash. */
async function toGarbage(queries: Queries, state: "live" | "trash", digest: Digest): Promise<void> {
  const since = state === "live" ? "now()" : "since";
  await queries.query(
    `update blob_objects set state = 'garbage', since = ${since} where state = '${state}' and digest = $1`,
    [bytesOf(digest)],
  );
}

function storedObject({ key, digest, size }: Row): StoredObject {
  return { key: String(key), digest: digestFrom(digest as Buffer), size: Number(size) };
}

function bytesAfter(digest: Digest | undefined): Buffer {
  return digest === undefined ? Buffer.alloc(0) : bytesOf(digest);
}

export function text(value: unknown): string | undefined {
  return value === null ? undefined : String(value);
}
