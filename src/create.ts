import type { Server } from "node:http";
import type Koa from "koa";
import { type Logger, pino } from "pino";
import { AuditLog } from "./audit/audit-log.ts";
import { type Authorize, allowEverything } from "./auth/policy.ts";
import type { CacheCounts } from "./blobs/file-reader.ts";
import { openFilesystemBlobs } from "./blobs/filesystem.ts";
import { createMemoryBlobs } from "./blobs/memory.ts";
import type { BlobStore, ScrubNotes } from "./blobs/port.ts";
import { fileScrubNotes } from "./blobs/scrub-note.ts";
import { ConfigError, resolveStoreConfig, type StoreConfig, type StoreOptions } from "./config.ts";
import { digestOf } from "./core/digest.ts";
import { parseRepositoryName } from "./core/name.ts";
import { compileRules, type Rules } from "./core/rules.ts";
import { type DataDirectory, openDataDirectory } from "./data-directory.ts";
import { createMiddleware } from "./http/app.ts";
import { nameOfUser } from "./http/identify.ts";
import { Links } from "./http/links.ts";
import type { RequestLine } from "./http/observe.ts";
import { RequestCounts } from "./http/request-counts.ts";
import { configureServer } from "./http/server.ts";
import { Traffic } from "./http/traffic.ts";
import { openJournalIndex } from "./index/journal.ts";
import { createMemoryIndex } from "./index/memory.ts";
import type { Commit, Index, OnCommit } from "./index/port.ts";
import { CommitCounts } from "./metrics/commit-counts.ts";
import { countOf, diskOf, sumOf } from "./metrics/measures.ts";
import { createMetrics } from "./metrics/metrics.ts";
import type { Checked } from "./registry/check/checker.ts";
import type { Fault } from "./registry/check/fault.ts";
import type { Found, Recovered } from "./registry/check/finding.ts";
import type { Repair, Repaired } from "./registry/check/repair.ts";
import type { Collected, Verdict } from "./registry/gc/collected.ts";
import type { Explanation, InRepository } from "./registry/gc/explainer.ts";
import type { Stay } from "./registry/gc/stays.ts";
import type { InTrash, Restored } from "./registry/gc/trash.ts";
import { createRegistry, type Registry } from "./registry/registry.ts";
import type { Progress } from "./registry/scrub/progress.ts";
import type { Rot, Scrubbed } from "./registry/scrub/scrubber.ts";
import type { ScrubsOptions } from "./registry/scrub/scrubs.ts";
import { VERSION } from "./version.ts";

export { METRICS_TYPE } from "./metrics/metrics.ts";
/** What operators are told. */
export type {
  Checked,
  Collected,
  Explanation,
  Fault,
  Found,
  InRepository,
  InTrash,
  Progress,
  Recovered,
  Registry,
  Repair,
  Repaired,
  RequestLine,
  Restored,
  Rot,
  Scrubbed,
  Stay,
  Verdict,
};

/** What a host application may bring along. All of it optional. */
export interface Host {
  /** Decides on every request; without it everybody may do everything. */
  readonly authorize?: Authorize;
  /**
   * The caller's name, for the record and for finding uploads again. Default: `ctx.state.user` when it is a
   * string, else its `name` or `id`, else nobody ("anonymous").
   */
  readonly identify?: (ctx: Koa.Context) => string | undefined;
  /** Default: silent. */
  readonly log?: Logger;
  /** Writes the line of each request, for those who keep them elsewhere. Default: `log.info(line, "request")`. */
  readonly logRequest?: (line: RequestLine) => void;
  /** Whether requests for paths that are not layerd's go on to the next middleware. Default: true. */
  readonly passUnknown?: boolean;
}

/** layerd inside a Koa application. */
export interface Layerd {
  /** Serves `/`, `/layer`, `/manifest`, `/v2`, `/healthz`, `/readyz` and `/openapi.json` below its mount path. */
  readonly middleware: Koa.Middleware;
  /** The same without HTTP, for programs that seed or inspect a store. */
  readonly registry: Registry;
  /** What has been counted, in the text format of Prometheus (docs/operations.md). Of the process itself it says nothing. */
  metrics(): Promise<string>;
  /** Goes on in the file that is under the name of the audit log now, for those who have moved it away. */
  reopenAuditLog(): Promise<void>;
  /** Gives the application's server the settings that long transfers need. Call it before `listen`. */
  configureServer(server: Server): void;
  /** Ends running uploads (they stay resumable) and releases the data directory. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens a store and returns what serves it: no listener, no globals; two in one process do not meet.
 * @param config as in a config file; unknown keys are refused. Default: data in `./data`.
 * @throws DataDirectoryError when the data directory cannot be used, ConfigError for a wrong setting.
 */
export async function createLayerd(config: StoreOptions = {}, host: Host = {}): Promise<Layerd> {
  const settings = resolveStoreConfig(config);
  const log = host.log ?? pino({ level: "silent" });
  const stores = await openStores(settings, log);
  const registry = createRegistry(stores, {
    rules: rulesOf(settings),
    uploadTtl: settings.uploadTtl,
    unpack: { maxSize: settings.maxUnpackedSize, timeout: settings.unpackTimeout },
    gc: {
      interval: settings.gc ? settings.gcInterval : undefined,
      grace: settings.gcGrace,
      trashTtl: settings.trashTtl,
      onCollected: (collected) => log.info(collected, "garbage collected"),
      onRemoved: (removed) => stores.audit?.removed(removed),
    },
    scrub: scrubOptions(settings, stores, log),
    onRepaired: (repair) => stores.audit?.repaired(repair),
    onError: (err, what) => log.error({ err }, `${what} failed`),
  });
  const requests = new RequestCounts();
  const traffic = new Traffic();
  let closing: Promise<void> | undefined;
  return {
    middleware: makeMiddleware(settings, host, { registry, stores, requests, log }),
    registry,
    metrics: createMetrics({
      ...{ version: VERSION, requests, traffic, commits: stores.commits },
      collections: registry.collector.record,
      scrubs: registry.scrubber.record,
      quarantine: settings.memory ? undefined : () => sumOf(stores.blobs.quarantined()),
      cache: stores.cacheCounts,
      sessions: async () => ({
        begun: await countOf(stores.blobs.uploads()),
        announced: registry.sessions.announced,
      }),
      disk: settings.memory ? undefined : () => diskOf(settings.data),
      auditLost: stores.audit && (() => stores.audit?.lost ?? 0),
    }),
    reopenAuditLog: async () => await stores.audit?.reopen(),
    configureServer: (server) => {
      configureServer(server, settings.idleTimeout);
      traffic.watch(server);
    },
    close: () => {
      closing ??= registry.close().finally(() => release(stores));
      return closing;
    },
  };
}

function rulesOf({ repository, rules, maxLayerSize, maxManifestSize, sparse }: StoreConfig): Rules {
  // Who posts a layer wants it kept, manifest or not.
  const layersOfItsOwn = { repositories: [repository], keepUnused: Number.POSITIVE_INFINITY };
  const defaults = { maxBlobSize: maxLayerSize, maxManifestSize, sparse };
  return compileRules([layersOfItsOwn, ...rules], defaults);
}

function scrubOptions(settings: StoreConfig, stores: Stores & Witnesses, log: Logger): ScrubsOptions {
  const { scrubRate: rate, scrubInterval: interval } = settings;
  const { scrubNotes: notes, audit } = stores;
  return {
    background: rate === 0 || notes === undefined ? undefined : { rate, interval, notes },
    onRot: (rot) => {
      log.error(rot, "a blob is damaged: pushing it again heals it");
      if (rot.what === "quarantined") audit?.quarantined(rot);
    },
    onScrubbed: (scrubbed) => log.info(scrubbed, "store scrubbed"),
  };
}

interface Stores {
  readonly blobs: BlobStore;
  readonly index: Index;
  /** Absent in memory, where there is no disk to be distrusted. */
  readonly scrubNotes: ScrubNotes | undefined;
  readonly directory: DataDirectory | undefined;
  readonly cacheCounts: CacheCounts | undefined;
}

/** What is told of every change: the audit log, and the counts. */
interface Witnesses {
  readonly audit: AuditLog | undefined;
  readonly commits: CommitCounts;
}

async function openStores(settings: StoreConfig, log: Logger): Promise<Stores & Witnesses> {
  const audit = await openAuditLog(settings, log);
  const commits = new CommitCounts();
  const onCommit = (commit: Commit) => {
    commits.add(commit);
    audit?.committed(commit);
  };
  try {
    const open = settings.memory ? openMemory : openFiles;
    return { ...(await open(settings, log, onCommit)), audit, commits };
  } catch (error) {
    await audit?.close();
    throw error;
  }
}

/** @throws ConfigError */
async function openAuditLog(settings: StoreConfig, log: Logger): Promise<AuditLog | undefined> {
  const { auditLog: path, auditLogSize: maxSize, auditLogFiles: keep } = settings;
  if (path === "") return undefined;
  try {
    return await AuditLog.open(path, { maxSize, keep, log });
  } catch (error) {
    const { message } = error as Error;
    throw new ConfigError(
      `the audit log cannot be written: ${message}; auditLog names a file that this user may write, in a directory that is there`,
    );
  }
}

async function openMemory({ memoryLimit }: StoreConfig, _log: Logger, onCommit: OnCommit): Promise<Stores> {
  const blobs = createMemoryBlobs({ limit: memoryLimit });
  const index = createMemoryIndex({ onCommit });
  return { blobs, index, scrubNotes: undefined, directory: undefined, cacheCounts: undefined };
}

async function openFiles(settings: StoreConfig, log: Logger, onCommit: OnCommit): Promise<Stores> {
  const { durability, minFree } = settings;
  const cacheCounts = { hits: 0, misses: 0 };
  const opened = await openDataDirectory({ path: settings.data, durability });
  try {
    const directory = opened.path;
    const blobs = await openFilesystemBlobs({ directory, durability, minFree, log, cacheCounts });
    const index = await openJournalIndex({ directory, durability, log, onCommit });
    return { blobs, index, scrubNotes: fileScrubNotes(directory), directory: opened, cacheCounts };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function release({ audit, directory }: Stores & Witnesses): Promise<void> {
  await audit?.close();
  await directory?.close();
}

function makeMiddleware(
  settings: StoreConfig,
  host: Host,
  parts: {
    readonly registry: Registry;
    readonly stores: Stores;
    readonly requests: RequestCounts;
    readonly log: Logger;
  },
): Koa.Middleware {
  const { trustProxy, allowedHosts, allowedOrigins } = settings;
  const nowhere = digestOf(Buffer.from("is the store there?"));
  return createMiddleware({
    service: {
      registry: parts.registry,
      links: new Links({ trustProxy }),
      everybodyReads: host.authorize === undefined,
      cacheScope: host.authorize === undefined ? "public" : "private",
      jsonLimit: JSON_LIMIT,
    },
    observe: {
      authorize: host.authorize ?? allowEverything,
      identify: host.identify ?? nameOfUser,
      repository: parseRepositoryName(settings.repository),
      log: parts.log,
      logRequest: host.logRequest ?? ((line) => parts.log.info(line, "request")),
      counts: parts.requests,
      trustProxy,
    },
    limits: {
      requests: settings.clientRequests,
      uploads: settings.clientUploads,
      bytes: settings.clientBytes,
      trustProxy,
    },
    guard: { allowedHosts, allowedOrigins, trustProxy },
    probe: async () => {
      await parts.stores.blobs.stat(nowhere);
    },
    passUnknown: host.passUnknown ?? true,
  });
}

/** Bytes; the limit that distribution-spec §Pushing Manifests recommends for manifests. */
const JSON_LIMIT = 4 * 1024 * 1024;
