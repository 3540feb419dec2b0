import type { Kysely } from "kysely";
import { AGREE, ID_OF } from "./0002-media-types-expand.ts";
import { inBatches, inTransaction, serves } from "./statements.ts";

/** Contract: the old column goes, once no server reads it any more. Its space comes back as rows are rewritten. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, [
    "drop trigger media_types_agree on blobs",
    "drop function blobs_media_types_agree",
    "drop function media_type_id_of",
    "alter table blobs drop column media_type",
    serves("0004-media-types-switch"),
  ]);
}

export async function down(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, ["alter table blobs add column media_type text", ID_OF, ...AGREE]);
  // The trigger writes it.
  await inBatches(database, { table: "blobs", set: "media_type = null", where: "media_type is null" });
  await inTransaction(database, [serves("0001-index")]);
}
