import type { Pool } from "pg";
import type { BlobCatalog } from "./catalog.ts";
import { Database } from "./database.ts";
import { S3StoreError } from "./errors.ts";
import { type MayDiscard, PostgresObjects } from "./postgres-objects.ts";
import { PostgresUploads } from "./postgres-uploads.ts";

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const UNDEFINED_TABLE = "42P01";

/**
 * The catalog on PostgreSQL, in the tables of the migration 0006-blob-catalog. The pool stays its owner's, who listens to its errors,
 * bounds how long connecting and a query may take, and ends it.
 */
export function createPostgresCatalog(
  pool: Pool,
  { mayDiscard = async () => true }: { readonly mayDiscard?: MayDiscard } = {},
): BlobCatalog {
  const database = new Database(pool);
  return {
    objects: new PostgresObjects(database, mayDiscard),
    uploads: new PostgresUploads(database),
    check: async () => await check(pool),
  };
}

async function check(pool: Pool): Promise<void> {
  try {
    await pool.query("select from blob_objects, blob_uploads, blob_parts limit 0");
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    const reason = code === UNDEFINED_TABLE ? "its tables are not there" : message || String(code);
    throw new S3StoreError(`the catalog of blobs in PostgreSQL cannot be used: ${reason}`, { cause: error });
  }
}
