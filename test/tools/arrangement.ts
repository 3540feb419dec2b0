import type { StoreOptions } from "../../src/config.ts";
import { database, query } from "./postgres.ts";
import { CREDENTIALS, makeBucket, type S3Server } from "./s3-server.ts";

/** The variable that says of what the servers under test are made: `postgres`, `s3`, or else as each test says. */
export const ARRANGEMENT = "LAYERD_TEST_ARRANGEMENT";

/** The variable that names the S3 server that all files share. */
export const SHARED_S3 = "LAYERD_TEST_S3";

/** What goes with which data directory, for tests that start a server anew. */
const engines = new Map<string, Promise<StoreOptions>>();

/** What a test asks for, on the engines that the whole run is about. */
export async function arranged(data: string, config: StoreOptions): Promise<StoreOptions> {
  const arrangement = process.env[ARRANGEMENT];
  if (arrangement === undefined) return { data, ...config };
  const { memory: _memory, memoryLimit: _limit, ...rest } = config;
  const engine = engines.get(data) ?? (arrangement === "s3" ? onS3() : onPostgres());
  engines.set(data, engine);
  return { data, ...(await engine), ...rest };
}

/** Whether a server under test has its store for itself. */
export function isAlone(): boolean {
  return process.env[ARRANGEMENT] === undefined;
}

/** Rows of a query on what goes with a data directory, when its blobs are in a bucket. */
export async function inCatalog(data: string, statement: string): Promise<string[] | undefined> {
  if (process.env[ARRANGEMENT] !== "s3") return undefined;
  const { index = "" } = (await engines.get(data)) ?? {};
  return index === "" ? [] : await query(index, statement);
}

async function onPostgres(): Promise<StoreOptions> {
  return { index: await database(), indexConnections: 8 };
}

async function onS3(): Promise<StoreOptions> {
  Object.assign(process.env, CREDENTIALS);
  const { url, root }: SharedS3 = JSON.parse(process.env[SHARED_S3] ?? "");
  return {
    index: await database(),
    blobs: `s3://${makeBucket(root)}`,
    s3Endpoint: url,
    s3PathStyle: true,
    indexConnections: 8,
  };
}

type SharedS3 = Pick<S3Server, "url" | "root">;

/** For the environment of test files. */
export function sharing({ url, root }: SharedS3): NodeJS.ProcessEnv {
  return { [SHARED_S3]: JSON.stringify({ url, root }) };
}
