import { statements } from "../../postgres/statement.ts";

/** Of `blobs`, with the name of the media type from `media_types`. */
const BLOB_COLUMNS = "digest, position, size, name, created_at, diff_id, unpacked_size";
export const MANIFEST_COLUMNS =
  "digest, position, size, media_type, artifact_type, blobs, manifests, subject, annotations, " +
  "annotations_in_manifest, created_at, untagged_at, subject_gone_at";

/** Finding the repository is part of each statement, so that a read is one round trip. */
const HERE = "(select id from repositories where name = $1)";
const CURRENT = "(select current from promise_generation)";

function of(table: string, columns: string): string {
  return columns.replaceAll(/\w+/g, (column) => `${table}.${column}`);
}

/** What an entry has of `blobs b`. */
export const BLOB = `${of("b", BLOB_COLUMNS)}, (select name from media_types where id = b.media_type_id) as media_type`;

/** What answers requests. `$1` is the name of the repository. Each is planned on an index: see test/index/postgres. */
export const READS = statements("read", {
  exists: "select from repositories where name = $1",
  repositories: 'select name from repositories where name > $1 collate "C" order by name limit $2',
  // $2 digest
  blob: `select ${BLOB}, coalesce(p.generation = ${CURRENT}, false) as promised
    from blobs b left join promises p on p.digest = b.digest
    where b.repository = ${HERE} and b.digest = $2`,
  // $2 digest
  manifest: `select ${of("m", MANIFEST_COLUMNS)}, coalesce(p.names_generation = ${CURRENT}, false) as promised
    from manifests m left join promises p on p.digest = m.digest
    where m.repository = ${HERE} and m.digest = $2`,
  // $2 before, $3 limit
  blobs: `select ${BLOB} from blobs b
    where b.repository = ${HERE} and b.position < $2 order by b.position desc limit $3`,
  // $2 before, $3 how many are looked at
  unusedBlobs: `select ${BLOB}, n.named is null as unused
    from (select * from blobs where repository = ${HERE} and position < $2 order by position desc limit $3) b
    left join lateral (
      select named from namings
      where repository = b.repository and kind = 1 and named = b.digest limit 1
    ) n on true
    order by b.position desc`,
  // $2 before, $3 limit
  manifests: `select ${of("m", MANIFEST_COLUMNS)}, array(
      select t.tag from tags t where t.repository = m.repository and t.digest = m.digest order by t.tag
    ) as tags
    from manifests m where m.repository = ${HERE} and m.position < $2 order by m.position desc limit $3`,
  // $2 subject, $3 after, $4 artifact type or null, $5 limit
  referrers: `select ${of("m", MANIFEST_COLUMNS)} from namings n
    join manifests m on m.repository = n.repository and m.position = n.position
    where n.repository = ${HERE} and n.kind = 3 and n.named = $2 and n.position > $3
      and ($4::text is null or m.artifact_type = $4)
    order by n.position limit $5`,
  // $2 kind, $3 digest, $4 limit
  namedBy: `select m.digest from namings n
    join manifests m on m.repository = n.repository and m.position = n.position
    where n.repository = ${HERE} and n.kind = $2 and n.named = $3 order by n.position limit $4`,
  // $2 kind, $3 digest
  namedByCount: `select count(*) as total from namings
    where repository = ${HERE} and kind = $2 and named = $3`,
  // $2 tag
  tag: `select tag, digest, updated_at from tags where repository = ${HERE} and tag = $2`,
  // $2 digest
  tagsOf: `select tag from tags where repository = ${HERE} and digest = $2 order by tag`,
  // $2 after, $3 limit
  tags: `select tag, digest, updated_at from tags
    where repository = ${HERE} and tag > $2 collate "C" order by tag limit $3`,
});
