import type { Digest } from "../../core/digest.ts";
import type { Tag } from "../../core/name.ts";
import { bytesOf } from "../../postgres/digests.ts";
import { type Connection, run, statements } from "../../postgres/statement.ts";
import type { Change, Requirement, TagEntry, Transaction } from "../port.ts";
import { RepositoryState } from "../state.ts";
import { BLOB, MANIFEST_COLUMNS } from "./reads.ts";
import { type BlobRow, blobOf, type ManifestRow, manifestOf, type TagRow, tagOf } from "./rows.ts";

/*
 * What some transactions depend on, read into memory: then they are checked and folded by the code that all indexes
 * share, and mean the same on each.
 */

/** Which entries some transactions may look at or change. */
export interface Keys {
  readonly blobs: ReadonlySet<Digest>;
  readonly manifests: ReadonlySet<Digest>;
  readonly tags: ReadonlySet<Tag>;
  /** All tags at these count, not only those in `tags`. */
  readonly tagsAt: ReadonlySet<Digest>;
  /** Whether there are tags at these counts: where tags are set to. */
  readonly tagged: ReadonlySet<Digest>;
  /** All manifests that refer to these count. */
  readonly subjects: ReadonlySet<Digest>;
  /** Who names these counts: as blobs, or as manifests that an index lists. */
  readonly named: ReadonlySet<Digest>;
  /** How many manifests the transactions may delete. */
  readonly deletions: number;
}

/** How many manifests an error names that keep a blob (`requirements.ts`). */
const NAMED_IN_ERRORS = 10;

// $1 is the repository's id.
export const STATEMENTS = statements("slice", {
  blobs: `select ${BLOB} from blobs b
    where b.repository = $1 and b.digest = any ($2::bytea[]) order by b.position`,
  // Of the manifests at which the tags are, and of $4, so many tags that one is left which is not asked for.
  tags: `with asked as (
      select tag, digest, updated_at from tags where repository = $1 and tag = any ($2::text[])
    )
    select tag, digest, updated_at from asked
    union
    select tag, digest, updated_at from tags where repository = $1 and digest = any ($3::bytea[])
    union
    select t.tag, t.digest, t.updated_at
    from (select digest from asked union select unnest($4::bytea[])) d (digest)
    cross join lateral (
      select tag, digest, updated_at from tags
      where repository = $1 and digest = d.digest order by tag limit $5
    ) t`,
  manifests: `with wanted as (
      select position, subject from manifests where repository = $1 and digest = any ($2::bytea[])
    ), found as (
      select position from wanted
      union
      select m.position from wanted w join manifests m on m.repository = $1 and m.digest = w.subject
      union
      select n.position from unnest($3::bytea[]) d cross join (values (1), (2)) k (kind)
      cross join lateral (
        select position from namings
        where repository = $1 and kind = k.kind and named = d order by position limit $4
      ) n
      union
      select position from namings where repository = $1 and kind = 3 and named = any ($5::bytea[])
    )
    select ${MANIFEST_COLUMNS} from found join manifests using (position)
    where repository = $1 order by position`,
});

export function keysOf(transactions: readonly Transaction[]): Keys {
  const keys = new Collected();
  for (const { changes, requires = [] } of transactions) {
    for (const requirement of requires) keys.require(requirement);
    for (const change of changes) keys.change(change);
  }
  return keys;
}

/** Reads all of it, as it is in this transaction, whose repository is locked. */
export async function readSlice(
  connection: Connection,
  { id, position }: { readonly id: number; readonly position: number },
  keys: Keys,
): Promise<RepositoryState> {
  const state = new RepositoryState();
  state.position = position;
  if (keys.blobs.size > 0) {
    const rows = await run<BlobRow>(connection, STATEMENTS.blobs, [id, bytes(keys.blobs)]);
    for (const row of rows) state.putBlob(blobOf(row));
  }
  const tags = await readTags(connection, id, keys);
  const manifests = new Set(keys.manifests);
  for (const { tag, digest } of tags) if (keys.tags.has(tag)) manifests.add(digest);
  if (manifests.size + keys.named.size > 0) {
    const limit = keys.deletions + NAMED_IN_ERRORS;
    const values = [id, bytes(manifests), bytes(keys.named), limit, bytes(keys.subjects)];
    const rows = await run<ManifestRow>(connection, STATEMENTS.manifests, values);
    for (const row of rows) state.putManifest(manifestOf(row));
  }
  for (const tag of tags) state.putTag(tag);
  return state;
}

async function readTags(connection: Connection, id: number, keys: Keys): Promise<TagEntry[]> {
  if (keys.tags.size + keys.tagsAt.size === 0) return [];
  const values = [id, [...keys.tags], bytes(keys.tagsAt), bytes(keys.tagged), keys.tags.size + 1];
  return (await run<TagRow>(connection, STATEMENTS.tags, values)).map(tagOf);
}

function bytes(digests: Iterable<Digest>): Buffer[] {
  return [...digests].map(bytesOf);
}

class Collected implements Keys {
  readonly blobs = new Set<Digest>();
  readonly manifests = new Set<Digest>();
  readonly tags = new Set<Tag>();
  readonly tagsAt = new Set<Digest>();
  readonly tagged = new Set<Digest>();
  readonly subjects = new Set<Digest>();
  readonly named = new Set<Digest>();
  deletions = 0;

  require(requirement: Requirement): void {
    switch (requirement.type) {
      case "blobsLinked":
        for (const digest of requirement.digests) this.blobs.add(digest);
        return;
      case "blobLinked":
        this.blobs.add(requirement.digest);
        return;
      case "blobUnused":
        this.named.add(requirement.digest);
        return;
      case "manifestPresent":
        this.manifests.add(requirement.digest);
        return;
      case "manifestsPresent":
        for (const digest of requirement.digests) this.manifests.add(digest);
        return;
      case "manifestUnneeded":
        this.manifests.add(requirement.digest);
        this.tagsAt.add(requirement.digest);
        this.named.add(requirement.digest);
        return;
      case "noTagsBut":
        this.tagsAt.add(requirement.digest);
        return;
      case "tagsNotMoved":
        for (const tag of requirement.tags) this.tags.add(tag);
        return;
      case "tagPresent":
      case "tagAt":
      case "tagAmong":
        this.tags.add(requirement.tag);
        return;
      case "unpromised":
        return;
      default:
        unknown(requirement);
    }
  }

  change(change: Change): void {
    switch (change.type) {
      case "blobLinked":
      case "blobUnlinked":
      case "blobUnpacked":
        this.blobs.add(change.digest);
        return;
      case "manifestPut":
        this.manifests.add(change.manifest.digest);
        this.subjects.add(change.manifest.digest);
        return;
      case "manifestDeleted":
        this.deletions += 1;
        this.subjects.add(change.digest);
        this.manifests.add(change.digest);
        this.tagsAt.add(change.digest);
        return;
      case "tagSet":
        this.manifests.add(change.digest);
        this.tagged.add(change.digest);
        this.tags.add(change.tag);
        return;
      case "tagDeleted":
        this.tags.add(change.tag);
        return;
      default:
        unknown(change);
    }
  }
}

function unknown(value: never): never {
  throw new TypeError(`unknown to the index: ${JSON.stringify(value)}`);
}
