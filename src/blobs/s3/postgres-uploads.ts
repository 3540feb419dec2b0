import { randomUUID } from "node:crypto";
import type { Digest, DigestAlgorithm } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import { bytesOf, digestFrom } from "../../postgres/digests.ts";
import type { StoredUpload, UploadId } from "../port.ts";
import type {
  Part,
  Piece,
  Progress,
  StoredObject,
  UploadCatalog,
  UploadRow,
  UploadVersion,
} from "./catalog.ts";
import type { Database, Queries, Row } from "./database.ts";
import { publish, text } from "./postgres-objects.ts";

/** `UploadCatalog` in the tables `blob_uploads` and `blob_parts`. */
export class PostgresUploads implements UploadCatalog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async create({ id, algorithms, note }: Pick<UploadRow, "id" | "algorithms" | "note">): Promise<string> {
    const version = randomUUID();
    const rows = await this.#database.transaction((queries) =>
      queries.query(
        `insert into blob_uploads (id, version, algorithms, note, hashes) values ($1, $2, $3, $4, '{}')
         on conflict (id) do nothing returning id`,
        [id, version, algorithms, json(note)],
      ),
    );
    if (rows.length === 0) throw behind();
    return version;
  }

  async load(id: UploadId): Promise<UploadRow | undefined> {
    const [row] = await this.#database.query(
      `select u.*, o.multipart,
         (select coalesce(json_agg(json_build_object('number', number, 'etag', etag, 'size', p.size) order by number), '[]')
          from blob_parts p where p.upload = u.id) as parts
       from blob_uploads u left join blob_objects o on o.key = u.key where u.id = $1`,
      [id],
    );
    return row && uploadRow(row);
  }

  async versionOf(id: UploadId): Promise<string | undefined> {
    const [row] = await this.#database.query("select version from blob_uploads where id = $1", [id]);
    return row && String(row.version);
  }

  async list(after: UploadId | undefined, limit: number): Promise<StoredUpload[]> {
    const rows = await this.#database.query(
      "select id, touched_at, committed, digests from blob_uploads where id > $1 order by id limit $2",
      [after ?? "", limit],
    );
    return rows.map(({ id, touched_at, committed, digests }) => {
      const [becoming] = committed === true ? (digests as Buffer[]).map(digestFrom) : [];
      return { id: id as UploadId, touchedAt: touched_at as Date, ...(becoming && { becoming }) };
    });
  }

  async amend(upload: UploadVersion, note: unknown): Promise<string> {
    return await this.#change(upload, "note = $4", [json(note)]);
  }

  async startParts(
    upload: UploadVersion,
    { key, multipart }: { readonly key: string; readonly multipart: string },
  ): Promise<string> {
    return await this.#database.transaction(async (queries) => {
      await queries.query("update blob_objects set multipart = $2 where key = $1 and state = 'writing'", [
        key,
        multipart,
      ]);
      return await change(queries, upload, "key = $4", [key]);
    });
  }

  async takeNumbers(upload: UploadVersion, next: number): Promise<string> {
    return await this.#change(upload, "next_part = $4", [next]);
  }

  async progress(upload: UploadVersion, progress: Progress, parts: readonly Part[]): Promise<string> {
    const { size, head, hashes, tail } = progress;
    // All that parts cost, in one statement: there may be hundreds a second.
    return await change(
      this.#database,
      upload,
      "size = $4, head = $5, hashes = $6, tail = $7, sealed = null, digests = '{}'",
      [
        ...[size, head, hashes.map(bytesOf), json(tail), tail.map(({ key }) => key)],
        ...[parts.map(({ number }) => number), parts.map(({ etag }) => etag), parts.map((part) => part.size)],
      ],
      `entered as (
         insert into blob_parts (upload, number, etag, size)
         select changed.id, part.* from changed, unnest($9::integer[], $10::text[], $11::bigint[]) as part),
       dropped as (
         update blob_objects set state = 'garbage', since = now() from changed
         where upload = changed.id and state = 'writing' and multipart is null and key <> all($8::text[]))`,
    );
  }

  async seal(upload: UploadVersion, size: number, digests: readonly Digest[]): Promise<string> {
    return await this.#change(upload, "sealed = $4, digests = $5", [size, digests.map(bytesOf)]);
  }

  async commit(
    upload: UploadVersion,
    object: StoredObject,
    about: { readonly head: Buffer; readonly digests: readonly Digest[] },
  ): Promise<string> {
    return await this.#database.transaction(async (queries) => {
      const changes =
        "committed = true, size = $4, head = $5, digests = $6, sealed = null, key = null, tail = '[]'";
      const values = [object.size, about.head, about.digests.map(bytesOf)];
      const version = await change(queries, upload, changes, values);
      await publish(queries, object);
      await queries.query("delete from blob_parts where upload = $1", [upload.id]);
      await dropPieces(queries, upload.id, []);
      return version;
    });
  }

  async remove(id: UploadId): Promise<string[]> {
    return await this.#database.transaction(async (queries) => {
      await queries.query("delete from blob_uploads where id = $1", [id]);
      return await dropAll(queries, id);
    });
  }

  async expire(id: UploadId, before: Date): Promise<string[] | undefined> {
    return await this.#database.transaction(async (queries) => {
      const expired = "delete from blob_uploads where id = $1 and touched_at < $2 returning id";
      const rows = await queries.query(expired, [id, before]);
      return rows.length === 0 ? undefined : await dropAll(queries, id);
    });
  }

  async #change(upload: UploadVersion, changes: string, values: readonly unknown[]): Promise<string> {
    return await this.#database.transaction((queries) => change(queries, upload, changes, values));
  }
}

/**
 * Changes a row if it is of that version.
 * @param changes SQL, with `values` from $4 on.
 * @param along what else is done then: queries that find the row's id in `changed`.
 */
async function change(
  queries: Queries,
  { id, version }: UploadVersion,
  changes: string,
  values: readonly unknown[],
  along?: string,
): Promise<string> {
  const next = randomUUID();
  const rows = await queries.query(
    `with changed as (
       update blob_uploads set version = $3, touched_at = now(), ${changes} where id = $1 and version = $2
       returning id)${along === undefined ? "" : `, ${along}`}
     select id from changed`,
    [id, version, next, ...values],
  );
  if (rows.length === 0) throw behind();
  return next;
}

/** What was written for an upload, and is neither its parts nor in its tail, is garbage. */
async function dropPieces(queries: Queries, upload: UploadId, tail: readonly Piece[]): Promise<void> {
  await queries.query(
    `update blob_objects set state = 'garbage', since = now()
     where upload = $1 and state = 'writing' and multipart is null and key <> all($2::text[])`,
    [upload, tail.map(({ key }) => key)],
  );
}

/** All that was written for an upload, and is no blob, is garbage. Resolves with the keys. */
async function dropAll(queries: Queries, upload: UploadId): Promise<string[]> {
  const rows = await queries.query(
    `update blob_objects set state = 'garbage', since = now() where upload = $1 and state = 'writing'
     returning key`,
    [upload],
  );
  return rows.map(({ key }) => String(key));
}

function behind(): LayerdError {
  return new LayerdError("UNAVAILABLE", "another server has gone on with this upload; ask where it stands", {
    headers: { "Retry-After": "1" },
  });
}

function uploadRow(row: Row): UploadRow {
  return {
    id: row.id as UploadId,
    version: String(row.version),
    algorithms: row.algorithms as DigestAlgorithm[],
    note: row.note ?? undefined,
    size: Number(row.size),
    head: row.head as Buffer,
    hashes: (row.hashes as Buffer[]).map(digestFrom),
    tail: row.tail as Piece[],
    key: text(row.key),
    multipart: text(row.multipart),
    nextPart: Number(row.next_part),
    parts: row.parts as Part[],
    sealed: row.sealed === null ? undefined : Number(row.sealed),
    digests: (row.digests as Buffer[]).map(digestFrom),
    committed: row.committed === true,
  };
}

/** The text of a value; SQL's null for what JSON has no word for. */
function json(value: unknown): string | null {
  return JSON.stringify(value) ?? null;
}
