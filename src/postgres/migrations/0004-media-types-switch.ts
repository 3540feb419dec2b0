import type { Kysely } from "kysely";
import { inTransaction, oneByOne } from "./statements.ts";

/**
 * Switch: every row has its number, and PostgreSQL vouches for it. Servers of this version need that; those that read
 * the old column still find it filled.
 */
export async function up(database: Kysely<unknown>): Promise<void> {
  // Checked without a lock that would keep others out; then `set not null` believes it, and reads nothing.
  await oneByOne(database, [
    "alter table blobs drop constraint if exists media_type_id_there",
    "alter table blobs add constraint media_type_id_there check (media_type_id is not null) not valid",
    "alter table blobs validate constraint media_type_id_there",
    "alter table blobs validate constraint blobs_media_type_id_fkey",
  ]);
  await inTransaction(database, [
    "alter table blobs alter column media_type_id set not null",
    "alter table blobs drop constraint media_type_id_there",
  ]);
}

export async function down(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, ["alter table blobs alter column media_type_id drop not null"]);
}
