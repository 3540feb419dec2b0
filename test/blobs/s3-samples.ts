import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import pg from "pg";
import { createPostgresCatalog } from "../../src/blobs/s3/postgres-catalog.ts";
import { openS3Blobs, type S3BlobStore, type S3StoreOptions } from "../../src/blobs/s3/store.ts";
import { TABLES } from "../../src/postgres/migrations/0006-blob-catalog.ts";
import { database } from "../tools/database.ts";
import { s3 } from "../tools/s3.ts";
import { requireTool } from "../tools/tools.ts";

/** A bucket and a catalog that several stores share, as servers do. */
export interface S3Place {
  readonly pool: pg.Pool;
  readonly options: S3StoreOptions;
  /** For another process, to reach the catalog. */
  readonly connection: pg.PoolConfig;
  /** The bucket's objects as files. */
  readonly directory: string;
  /** Another store, closed with the test. */
  open(more?: Partial<S3StoreOptions>): Promise<S3BlobStore>;
  /** Keys of all objects that are in the bucket, in order. */
  keys(): Promise<string[]>;
  /** Rows of a query, for looking into the catalog. */
  rows(query: string): Promise<Record<string, unknown>[]>;
}

/** Defines a test that is given such a place. */
export function testS3(title: string, body: (t: ExecutionContext, place: S3Place) => Promise<void>): void {
  test(title, async (t) => {
    if (requireTool(t, "versitygw")) await body(t, await s3Place(t));
  });
}

export async function s3Place(t: ExecutionContext): Promise<S3Place> {
  const server = await s3();
  const connection = await catalogConnection();
  const pool = await catalogPool(connection);
  const bucket = server.bucket();
  const directory = server.directory(bucket);
  const where = { endpoint: server.url, region: "us-east-1", bucket, forcePathStyle: true };
  const options = { ...where, catalog: createPostgresCatalog(pool) };
  const opened: S3BlobStore[] = [];
  t.teardown(async () => {
    for (const blobs of opened) await blobs.close();
    await pool.end();
  });
  return {
    pool,
    options,
    connection,
    directory,
    open: async (more = {}) => {
      const blobs = await openS3Blobs({ ...options, ...more });
      opened.push(blobs);
      return blobs;
    },
    keys: async () =>
      (await readdir(join(directory, "blobs")).catch(() => [])).map((name) => `blobs/${name}`).sort(),
    rows: async (query) => (await pool.query(query)).rows,
  };
}

let shared: Promise<string> | undefined;
let schemas = 0;

/** To a catalog of its own: a schema takes a tenth of the time that a database takes. */
async function catalogConnection(): Promise<pg.PoolConfig> {
  shared ??= database();
  schemas += 1;
  const schema = `catalog_${schemas}`;
  // All tests of a file run at once, and the server has 200 connections.
  return { connectionString: await shared, options: `-c search_path=${schema}`, max: 2 };
}

async function catalogPool(connection: pg.PoolConfig): Promise<pg.Pool> {
  const pool = new pg.Pool(connection);
  // Of a connection that is lost its next user learns.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  await pool.query(`create schema ${connection.options?.split("=").at(-1)}`);
  await pool.query(TABLES.join(";\n"));
  return pool;
}
