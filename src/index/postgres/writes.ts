import type { Digest } from "../../core/digest.ts";
import type { Tag } from "../../core/name.ts";
import { bytesOf } from "../../postgres/digests.ts";
import { type Connection, run, statements } from "../../postgres/statement.ts";
import type { BlobEntry, ManifestEntry, TagEntry } from "../port.ts";
import type { RepositoryState } from "../state.ts";
import { MANIFEST_COLUMNS } from "./reads.ts";
import { KIND, valuesOfBlob, valuesOfManifest } from "./rows.ts";

/** The entries of a state. They are only ever replaced, so that two states differ where their entries are not the same. */
export interface Entries {
  readonly blobs: ReadonlyMap<Digest, BlobEntry>;
  readonly manifests: ReadonlyMap<Digest, ManifestEntry>;
  readonly tags: ReadonlyMap<Tag, TagEntry>;
}

// $1 is the repository's id.
export const STATEMENTS = statements("write", {
  // Found before it is inserted: an insert that conflicts would use up a number each time.
  putMediaTypes: `insert into media_types (name)
    select name from unnest($1::text[]) n (name)
    where not exists (select from media_types m where m.name = n.name)
    order by name on conflict do nothing`,
  putBlob: `insert into blobs
      (repository, digest, position, size, media_type_id, name, created_at, diff_id, unpacked_size)
    values ($1, $2, $3, $4, (select id from media_types where name = $5), $6, $7, $8, $9)
    on conflict (repository, digest) do update set
      position = excluded.position, created_at = excluded.created_at, size = excluded.size,
      media_type_id = excluded.media_type_id, name = excluded.name,
      diff_id = excluded.diff_id, unpacked_size = excluded.unpacked_size`,
  deleteBlobs: "delete from blobs where repository = $1 and digest = any ($2::bytea[])",
  putManifest: `insert into manifests (repository, ${MANIFEST_COLUMNS})
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
  // All else of a manifest follows from its digest.
  noteTimes: `update manifests m set untagged_at = t.untagged_at, subject_gone_at = t.subject_gone_at
    from unnest($2::bytea[], $3::timestamptz[], $4::timestamptz[]) t (digest, untagged_at, subject_gone_at)
    where m.repository = $1 and m.digest = t.digest`,
  // What names this and what it names, in one table: docs/database.md.
  putNamings: `insert into namings (repository, position, kind, named)
    select distinct $1::bigint, $2::bigint, n.kind, n.named from unnest($3::smallint[], $4::bytea[]) n (kind, named)`,
  deleteManifests: "delete from manifests where repository = $1 and digest = any ($2::bytea[])",
  putTags: `insert into tags (repository, tag, digest, updated_at)
    select $1::bigint, t.tag, t.digest, t.updated_at
    from unnest($2::text[], $3::bytea[], $4::timestamptz[]) t (tag, digest, updated_at)
    on conflict (repository, tag) do update set digest = excluded.digest, updated_at = excluded.updated_at`,
  deleteTags: "delete from tags where repository = $1 and tag = any ($2::text[])",
  position: "update repositories set position = $2 where id = $1 and position < $2",
});

export function entriesOf(state: RepositoryState): Entries {
  return {
    blobs: new Map(state.blobs.toArray().map((entry) => [entry.digest, entry])),
    manifests: new Map(state.manifests.toArray().map((entry) => [entry.digest, entry])),
    tags: new Map(state.tags.toArray().map((entry) => [entry.tag, entry])),
  };
}

/** Writes where `state` is not what it was `before`. */
export async function writeDifference(
  connection: Connection,
  id: number,
  before: Entries,
  state: RepositoryState,
): Promise<void> {
  const after = entriesOf(state);
  const gone = {
    blobs: missing(before.blobs, after.blobs),
    manifests: replaced(before.manifests, after.manifests),
    tags: missing(before.tags, after.tags),
  };
  const bytes = (digests: readonly Digest[]) => digests.map(bytesOf);
  if (gone.tags.length > 0) await run(connection, STATEMENTS.deleteTags, [id, gone.tags]);
  if (gone.manifests.length > 0)
    await run(connection, STATEMENTS.deleteManifests, [id, bytes(gone.manifests)]);
  if (gone.blobs.length > 0) await run(connection, STATEMENTS.deleteBlobs, [id, bytes(gone.blobs)]);
  await putBlobs(connection, id, changed(before.blobs, after.blobs));
  const manifests = Map.groupBy(changed(before.manifests, after.manifests), ({ digest, position }) =>
    before.manifests.get(digest)?.position === position ? "known" : "new",
  );
  for (const manifest of manifests.get("new") ?? []) await putManifest(connection, id, manifest);
  await noteTimes(connection, id, manifests.get("known") ?? []);
  await putTags(connection, id, changed(before.tags, after.tags));
  await run(connection, STATEMENTS.position, [id, state.position]);
}

async function putBlobs(connection: Connection, id: number, blobs: readonly BlobEntry[]): Promise<void> {
  if (blobs.length === 0) return;
  await run(connection, STATEMENTS.putMediaTypes, [[...new Set(blobs.map(({ mediaType }) => mediaType))]]);
  for (const blob of blobs) await run(connection, STATEMENTS.putBlob, [id, ...valuesOfBlob(blob)]);
}

async function putManifest(connection: Connection, id: number, manifest: ManifestEntry): Promise<void> {
  await run(connection, STATEMENTS.putManifest, [id, ...valuesOfManifest(manifest)]);
  const { blobs, manifests = [], subject } = manifest;
  const namings = [
    ...blobs.map((digest) => ({ kind: KIND.blob, digest })),
    ...manifests.map((digest) => ({ kind: KIND.manifest, digest })),
    ...(subject === undefined ? [] : [{ kind: KIND.subject, digest: subject }]),
  ];
  if (namings.length === 0) return;
  const kinds = namings.map(({ kind }) => kind);
  const named = namings.map(({ digest }) => bytesOf(digest));
  await run(connection, STATEMENTS.putNamings, [id, manifest.position, kinds, named]);
}

async function noteTimes(
  connection: Connection,
  id: number,
  manifests: readonly ManifestEntry[],
): Promise<void> {
  if (manifests.length === 0) return;
  const digests = manifests.map(({ digest }) => bytesOf(digest));
  const untagged = manifests.map(({ untaggedAt }) => untaggedAt);
  const subjectGone = manifests.map(({ subjectGoneAt }) => subjectGoneAt);
  await run(connection, STATEMENTS.noteTimes, [id, digests, untagged, subjectGone]);
}

async function putTags(connection: Connection, id: number, tags: readonly TagEntry[]): Promise<void> {
  if (tags.length === 0) return;
  const digests = tags.map(({ digest }) => bytesOf(digest));
  const times = tags.map(({ updatedAt }) => updatedAt);
  await run(connection, STATEMENTS.putTags, [id, tags.map(({ tag }) => tag), digests, times]);
}

/** Also those that were deleted and put anew. */
function replaced(
  before: ReadonlyMap<Digest, ManifestEntry>,
  after: ReadonlyMap<Digest, ManifestEntry>,
): Digest[] {
  return [...before.values()].flatMap(({ digest, position }) =>
    after.get(digest)?.position === position ? [] : [digest],
  );
}

function missing<K, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>): K[] {
  return [...before.keys()].filter((key) => !after.has(key));
}

function changed<K, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>): V[] {
  return [...after].flatMap(([key, entry]) => (before.get(key) === entry ? [] : [entry]));
}
