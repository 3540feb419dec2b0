import type pg from "pg";
import type { Digest } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import type { RepositoryName, Tag } from "../../core/name.ts";
import { bytesOf, digestFrom } from "../../postgres/digests.ts";
import { toStoreError } from "../../postgres/errors.ts";
import type { PoolOptions } from "../../postgres/pool.ts";
import { openPool } from "../../postgres/pool.ts";
import { settleSchema } from "../../postgres/start.ts";
import { run, type Statement } from "../../postgres/statement.ts";
import type { IndexLog } from "../log.ts";
import { pageOf } from "../page.ts";
import type {
  BlobEntry,
  Index,
  Look,
  ManifestEntry,
  Naming,
  OnCommit,
  Page,
  PageAfter,
  PageRequest,
  ReferrersRequest,
  Some,
  TagEntry,
  Transaction,
} from "../port.ts";
import * as promises from "./promises.ts";
import { READS } from "./reads.ts";
import { type BlobRow, blobOf, KIND, type ManifestRow, manifestOf, type TagRow, tagOf } from "./rows.ts";
import { Writer, type WriterOptions } from "./writer.ts";

export interface OpenOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** How many connections may be open at a time. */
  readonly connections: number;
  readonly durability: PoolOptions["durability"];
  readonly log?: IndexLog;
  readonly onCommit?: OnCommit;
}

/**
 * Opens an index in a database; the schema of an empty one is made.
 * @throws DatabaseError when it cannot be reached or used, or has the schema of another version
 */
export async function openPostgresIndex(options: OpenOptions): Promise<Index> {
  const { url, connections, durability, log, onCommit } = options;
  const onLost = (err: Error) => log?.warn({ err }, "a connection to the database was lost");
  await settleSchema(url);
  const pool = openPool({ url, connections, durability, onLost });
  return new PostgresIndex({ pool, ...(onCommit && { onCommit }) }, () => pool.end());
}

type Promised = { readonly promised: boolean };

/** An index in a database whose schema is settled. The pool stays the caller's. */
export function createPostgresIndex(options: WriterOptions): Index {
  return new PostgresIndex(options, async () => undefined);
}

/** An index in a database, which any number of processes may share. */
class PostgresIndex implements Index {
  readonly remembersPromises = true;
  readonly #pool: pg.Pool;
  readonly #writer: Writer;
  readonly #end: () => Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(options: WriterOptions, end: () => Promise<void>) {
    this.#pool = options.pool;
    this.#writer = new Writer(options);
    this.#end = end;
  }

  async apply(repository: RepositoryName, transaction: Transaction): Promise<void> {
    this.#assertOpen();
    await this.#writer.apply(repository, transaction);
  }

  async agePromises(period = 0): Promise<void> {
    await this.#guard(() => promises.age(this.#pool, period));
  }

  async isPromised(digest: Digest): Promise<boolean> {
    return await this.#guard(() => promises.isPromised(this.#pool, digest));
  }

  /** What is damaged in a database, it tells itself; then it does not answer. */
  async intact(_repository: RepositoryName): Promise<boolean> {
    this.#assertOpen();
    return true;
  }

  async remains(_repository: RepositoryName): Promise<undefined> {
    this.#assertOpen();
  }

  async repair(_repository: RepositoryName): Promise<string[]> {
    this.#assertOpen();
    return [];
  }

  async exists(repository: RepositoryName): Promise<boolean> {
    return (await this.#read(READS.exists, [repository])).length > 0;
  }

  async repositories({
    limit,
    after = "",
  }: PageAfter<string>): Promise<Page<RepositoryName, RepositoryName>> {
    const rows = await this.#read<{ name: RepositoryName }>(READS.repositories, [after, limit + 1]);
    return pageOf(
      rows.map(({ name }) => name),
      limit,
      (name) => name,
    );
  }

  async blob(repository: RepositoryName, digest: Digest, look?: Look): Promise<BlobEntry | undefined> {
    return await this.#entry(READS.blob, [repository, bytesOf(digest)], blobOf, look);
  }

  async blobs(repository: RepositoryName, { limit, before = LAST }: PageRequest): Promise<Page<BlobEntry>> {
    const rows = await this.#read<BlobRow>(READS.blobs, [repository, before, limit + 1]);
    return pageOf(rows.map(blobOf), limit, ({ position }) => position);
  }

  async unusedBlobs(
    repository: RepositoryName,
    { limit, before = LAST }: PageRequest,
  ): Promise<Page<BlobEntry>> {
    const values = [repository, before, limit + 1];
    const rows = await this.#read<BlobRow & { unused: boolean }>(READS.unusedBlobs, values);
    const { items, next } = pageOf(rows, limit, ({ position }) => position);
    const unused = items.filter((row) => row.unused).map(blobOf);
    return next === undefined ? { items: unused } : { items: unused, next };
  }

  async manifest(
    repository: RepositoryName,
    digest: Digest,
    look?: Look,
  ): Promise<ManifestEntry | undefined> {
    return await this.#entry(READS.manifest, [repository, bytesOf(digest)], manifestOf, look);
  }

  async manifests(
    repository: RepositoryName,
    { limit, before = LAST }: PageRequest,
  ): Promise<Page<ManifestEntry & { readonly tags: readonly Tag[] }>> {
    const values = [repository, before, limit + 1];
    const rows = await this.#read<ManifestRow & { tags: Tag[] }>(READS.manifests, values);
    const entries = rows.map((row) => ({ ...manifestOf(row), tags: row.tags }));
    return pageOf(entries, limit, ({ position }) => position);
  }

  async referrers(
    repository: RepositoryName,
    subject: Digest,
    {
      limit,
      after = 0,
      artifactType = null,
    }: Omit<ReferrersRequest, "artifactType"> & { artifactType?: string | null },
  ): Promise<Page<ManifestEntry>> {
    const values = [repository, bytesOf(subject), after, artifactType, limit + 1];
    const rows = await this.#read<ManifestRow>(READS.referrers, values);
    return pageOf(rows.map(manifestOf), limit, ({ position }) => position);
  }

  async namedBy(
    repository: RepositoryName,
    digest: Digest,
    as: Naming,
    limit: number,
  ): Promise<Some<Digest>> {
    const naming = [repository, KIND[as], bytesOf(digest)];
    const [rows, counted] = await Promise.all([
      this.#read<{ digest: Buffer }>(READS.namedBy, [...naming, limit]),
      this.#read<{ total: number }>(READS.namedByCount, naming),
    ]);
    const items = rows.map((row) => digestFrom(row.digest));
    return { items, total: Math.max(counted[0]?.total ?? 0, items.length) };
  }

  async tag(repository: RepositoryName, tag: Tag): Promise<TagEntry | undefined> {
    const [row] = await this.#read<TagRow>(READS.tag, [repository, tag]);
    return row && tagOf(row);
  }

  async tagsOf(repository: RepositoryName, digest: Digest): Promise<readonly Tag[]> {
    const rows = await this.#read<{ tag: Tag }>(READS.tagsOf, [repository, bytesOf(digest)]);
    return rows.map(({ tag }) => tag);
  }

  async tags(
    repository: RepositoryName,
    { limit, after = "" }: PageAfter<string>,
  ): Promise<Page<TagEntry, Tag>> {
    const rows = await this.#read<TagRow>(READS.tags, [repository, after, limit + 1]);
    return pageOf(rows.map(tagOf), limit, ({ tag }) => tag);
  }

  close(): Promise<void> {
    this.#closing ??= this.#writer.idle().then(this.#end);
    return this.#closing;
  }

  /** An entry; when it is to be promised and is not yet, it is read again after that, for it may be gone by then. */
  async #entry<R extends object, E extends BlobEntry | ManifestEntry>(
    statement: Statement,
    values: readonly unknown[],
    entryOf: (row: R) => E,
    look: Look | undefined,
  ): Promise<E | undefined> {
    const find = async () => (await this.#read<R & Promised>(statement, values))[0];
    const row = await find();
    if (row === undefined) return undefined;
    const entry = entryOf(row);
    if (look?.promise !== true || row.promised) return entry;
    await this.#guard(() => promises.giveEntry(this.#pool, entry));
    const still = await find();
    return still && entryOf(still);
  }

  #read<R extends object>(statement: Statement, values: readonly unknown[]): Promise<R[]> {
    return this.#guard(() => run<R>(this.#pool, statement, values));
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    try {
      return await work();
    } catch (error) {
      throw toStoreError(error);
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new LayerdError("UNAVAILABLE", "the index is closed");
  }
}

/** Before this comes every position. */
const LAST = Number.MAX_SAFE_INTEGER;
