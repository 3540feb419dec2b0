import type { Migration } from "kysely/migration";
import * as index from "./0001-index.ts";
import * as mediaTypesExpand from "./0002-media-types-expand.ts";
import * as mediaTypesBackfill from "./0003-media-types-backfill.ts";
import * as mediaTypesSwitch from "./0004-media-types-switch.ts";
import * as mediaTypesContract from "./0005-media-types-contract.ts";
import * as blobCatalog from "./0006-blob-catalog.ts";
import * as duties from "./0007-duties.ts";

/** The history of the schema, oldest first. What has been released is never changed, only followed. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  "0001-index": index,
  "0002-media-types-expand": mediaTypesExpand,
  "0003-media-types-backfill": mediaTypesBackfill,
  "0004-media-types-switch": mediaTypesSwitch,
  "0005-media-types-contract": mediaTypesContract,
  "0006-blob-catalog": blobCatalog,
  "0007-duties": duties,
};

/** The step that the statements of this version need; they do without those that come after. */
export const NEEDED = "0007-duties";

/** Steps after which servers of an older version do not understand the schema any more. */
export function isContract(step: string): boolean {
  return step.endsWith("-contract");
}
