import type { Kysely } from "kysely";
import { inBatches } from "./statements.ts";

/** Backfill: rows that were there before get their number, while servers go on. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await inBatches(database, {
    table: "blobs",
    set: "media_type_id = media_type_id_of(media_type)",
    where: "media_type_id is null",
  });
}

export async function down(): Promise<void> {
  // The numbers go with their column.
}
