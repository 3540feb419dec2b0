import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { pino } from "pino";
import { openFilesystemBlobs } from "../../src/blobs/filesystem.ts";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import type { BlobStore } from "../../src/blobs/port.ts";
import { createLocalCluster } from "../../src/cluster/local.ts";
import type { Cluster, Holds } from "../../src/cluster/port.ts";
import { resolveStoreConfig, type StoreOptions } from "../../src/config.ts";
import type { Digest } from "../../src/core/digest.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import { compileRules, type RepositoryRule } from "../../src/core/rules.ts";
import { openJournalIndex } from "../../src/index/journal.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import type { Index } from "../../src/index/port.ts";
import type { Collected } from "../../src/registry/gc/collected.ts";
import { Collector } from "../../src/registry/gc/collector.ts";
import { Explainer } from "../../src/registry/gc/explainer.ts";
import { openPostgres } from "../../src/stores/postgres.ts";
import { bytesOf, store } from "../blobs/samples.ts";
import { digest, link, put, setTag, temporaryDirectory, transaction } from "../index/samples.ts";
import { database } from "../tools/database.ts";
import { s3 } from "../tools/s3.ts";
import { requireTool } from "../tools/tools.ts";

export const TEAM = parseRepositoryName("team/app");
/** Milliseconds. */
export const GRACE = 2;

/** A store to be collected: promises end when `age` is called, and not by themselves. */
export class World {
  readonly blobs: BlobStore;
  readonly index: Index;
  readonly cluster: Cluster;
  readonly holds: Holds;
  readonly collector: Collector;
  readonly explainer: Explainer;
  #seed = 0;

  constructor(
    stores: { blobs: BlobStore; index: Index; cluster?: Cluster },
    rules: readonly RepositoryRule[],
    trashTtl: number,
    grace = GRACE,
  ) {
    this.blobs = stores.blobs;
    this.index = stores.index;
    this.cluster = stores.cluster ?? createLocalCluster();
    this.holds = this.cluster.holds;
    const compiled = compileRules(rules, { maxBlobSize: 1e9, maxManifestSize: 1e9, sparse: true });
    const options = { rules: compiled, grace, trashTtl };
    this.collector = new Collector({ ...stores, cluster: this.cluster }, options);
    this.explainer = new Explainer({ ...stores, holds: this.holds }, options);
  }

  /** Makes the repository: nothing is collected where there is none. */
  async found(): Promise<this> {
    const nothing = digest(0);
    const unlink = { type: "blobUnlinked", digest: nothing } as const;
    await this.index.apply(TEAM, transaction([link(nothing), unlink]));
    return this;
  }

  /** The bytes of a blob, linked nowhere. */
  async bytes(): Promise<Digest> {
    this.#seed += 1;
    return (await store(this.blobs, bytesOf(this.#seed, 100))).digest;
  }

  async blob(): Promise<Digest> {
    const digest = await this.bytes();
    await this.index.apply(TEAM, transaction([link(digest, { size: 100 })]));
    return digest;
  }

  async manifest(
    blobs: readonly Digest[],
    about: { tag?: string; manifests?: readonly Digest[]; subject?: Digest } = {},
  ): Promise<Digest> {
    const { tag, ...more } = about;
    const digest = await this.bytes();
    const tags = tag === undefined ? [] : [setTag(tag, digest)];
    await this.index.apply(TEAM, transaction([put(digest, blobs, more), ...tags]));
    return digest;
  }

  /** The tags that there are. */
  async tags(): Promise<string[]> {
    return (await this.index.tags(TEAM, { limit: 100 })).items.map((entry) => entry.tag);
  }

  /** Time goes by: everything is older than the grace period, and all promises have ended. */
  async age(): Promise<void> {
    await delay(GRACE * 3);
    await this.index.agePromises();
    await this.index.agePromises();
  }

  async collect(): Promise<Collected> {
    return await this.collector.collect();
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.blobs.stat(digest)) !== undefined;
  }
}

interface Options {
  readonly rules?: readonly RepositoryRule[];
  readonly trashTtl?: number;
}

/** Defines a test that is given a world of each kind. */
export function onEachDriver(
  title: string,
  run: (t: ExecutionContext, world: World) => Promise<void>,
  { rules = [], trashTtl = 60_000 }: Options = {},
): void {
  test(`${title} (memory)`, async (t) => {
    const stores = { blobs: createMemoryBlobs({ limit: 1e8 }), index: createMemoryIndex() };
    await run(t, await new World(stores, rules, trashTtl).found());
  });
  const onPostgres = async (t: ExecutionContext, where: StoreOptions) => {
    const settings = { index: await database(), indexConnections: 4, durability: "os", ...where } as const;
    const listeners = { log: pino({ level: "silent" }), onCommit: () => undefined };
    const stores = await openPostgres(resolveStoreConfig(settings), listeners);
    await run(t, await new World(stores, rules, trashTtl).found()).finally(async () => {
      await stores.index.close();
      await stores.blobs.close();
      await stores.release();
    });
  };
  test(`${title} (files and postgres)`, async (t) => {
    await onPostgres(t, { data: await temporaryDirectory(t), minFree: 0 });
  });
  test(`${title} (s3 and postgres)`, async (t) => {
    if (!requireTool(t, "versitygw")) return;
    const server = await s3();
    await onPostgres(t, { blobs: `s3://${server.bucket()}`, s3Endpoint: server.url, s3PathStyle: true });
  });
  test(`${title} (files)`, async (t) => {
    const directory = await temporaryDirectory(t);
    const blobs = await openFilesystemBlobs({ directory, durability: "os", minFree: 0 });
    const index = await openJournalIndex({ directory, durability: "os" });
    await run(t, await new World({ blobs, index }, rules, trashTtl).found()).finally(async () => {
      await index.close();
      await blobs.close();
    });
  });
}
