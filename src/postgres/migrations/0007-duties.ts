import type { Kysely } from "kysely";
import { inTransaction } from "./statements.ts";

/*
 * What one server at a time does (src/cluster): when it was last done, and how far it has come. A new table, which
 * servers that do not know it do without.
 */

export async function up(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, [
    `create table duties (
      name text collate "C" primary key,
      done_at timestamptz,
      note jsonb
    )`,
  ]);
}

export async function down(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, ["drop table duties"]);
}
