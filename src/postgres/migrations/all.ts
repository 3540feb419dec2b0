import type { Migration } from "kysely/migration";
import * as index from "./0001-index.ts";

/** The history of the schema, oldest first. What has been released is never changed, only followed. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  "0001-index": index,
};
