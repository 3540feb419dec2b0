import { existsSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  bucketOf,
  ConfigError,
  configOfData,
  FILES,
  hasDirectory,
  loadConfigFile,
  type ServerConfig,
} from "../../config.ts";

/* The two stores that `layerd migrate-store` is about. */

export interface Arrangements {
  readonly from: ServerConfig;
  readonly to: ServerConfig;
}

/** @throws ConfigError when one of them is no store of its own, or both are the same */
export function readArrangements(from: string, to: string): Arrangements {
  const stores = { from: readOne("--from", from), to: readOne("--to", to) };
  // Nothing is in a directory that a mistyped path has just made.
  if (hasDirectory(stores.from) && !existsSync(join(stores.from.data, "layout.json")))
    throw new ConfigError(`--from: there is no store in ${resolve(stores.from.data)}`);
  const shared = sharedBy(stores);
  if (shared !== undefined) throw new ConfigError(`--from and --to have the same ${shared}`);
  return stores;
}

/** A config file, or a data directory, which need not be there yet. */
function readOne(flag: string, path: string): ServerConfig {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? path.endsWith(".json");
  const config = isFile ? loadConfigFile(path) : configOfData(path);
  if (config.memory) throw new ConfigError(`${flag}: a store in memory lives in its server alone`);
  return config;
}

function sharedBy({ from, to }: Arrangements): string | undefined {
  const inFiles = hasDirectory(from) && hasDirectory(to);
  if (inFiles && realPath(from.data) === realPath(to.data)) return `data directory, ${resolve(to.data)}`;
  if (from.index !== FILES && databaseOf(from.index) === databaseOf(to.index)) return "database";
  const bucket = sharedBucket(from, to);
  return bucket && `keys in the bucket ${bucket}: one of them needs another prefix`;
}

/** Servers of either database would sweep what only the other one knows. */
function sharedBucket(from: ServerConfig, to: ServerConfig): string | undefined {
  const [old, now] = [bucketOf(from.blobs), bucketOf(to.blobs)];
  if (old === undefined || now === undefined || old.bucket !== now.bucket) return undefined;
  if (endpointOf(from) !== endpointOf(to)) return undefined;
  const [one, other] = [keysOf(old.prefix), keysOf(now.prefix)];
  return one.startsWith(other) || other.startsWith(one) ? old.bucket : undefined;
}

function keysOf(prefix: string): string {
  return `${prefix}blobs/`;
}

function endpointOf({ s3Endpoint }: ServerConfig): string {
  return s3Endpoint.replace(/\/$/, "");
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : resolve(path);
}

/** Whoever asks, and in whatever way. */
function databaseOf(index: string): string {
  if (index === FILES) return index;
  const { hostname, port, pathname } = new URL(index);
  return `${hostname}:${port || "5432"}${pathname}`;
}
