import type { Server } from "node:http";
import type Koa from "koa";
import { type Logger, pino } from "pino";
import { type Authorize, allowEverything } from "./auth/policy.ts";
import { resolveStoreConfig, type StoreConfig, type StoreOptions } from "./config.ts";
import { type Digest, digestOf } from "./core/digest.ts";
import { parseRepositoryName } from "./core/name.ts";
import { compileRules, type Rules } from "./core/rules.ts";
import { createMiddleware } from "./http/app.ts";
import { nameOfUser } from "./http/identify.ts";
import { Links } from "./http/links.ts";
import type { RequestLine } from "./http/observe.ts";
import { RequestCounts } from "./http/request-counts.ts";
import { configureServer } from "./http/server.ts";
import { Traffic } from "./http/traffic.ts";
import { countOf, diskOf, sumOf } from "./metrics/measures.ts";
import { createMetrics } from "./metrics/metrics.ts";
import type { Samples } from "./metrics/samples.ts";
import type { Checked } from "./registry/check/checker.ts";
import type { Fault } from "./registry/check/fault.ts";
import type { Found, Recovered } from "./registry/check/finding.ts";
import type { Repair, Repaired } from "./registry/check/repair.ts";
import type { Collected, Verdict } from "./registry/gc/collected.ts";
import type { Explanation, InRepository } from "./registry/gc/explainer.ts";
import type { Stay } from "./registry/gc/stays.ts";
import type { InTrash, Restored } from "./registry/gc/trash.ts";
import type { Moved, MovedRepository, MoveFault } from "./registry/move/moved.ts";
import type { MoveOptions } from "./registry/move/mover.ts";
import type { Source, SourceBytes } from "./registry/move/source.ts";
import { createRegistry, type Registry } from "./registry/registry.ts";
import type { Progress } from "./registry/scrub/progress.ts";
import type { Rot, Scrubbed } from "./registry/scrub/scrubber.ts";
import type { ScrubsOptions } from "./registry/scrub/scrubs.ts";
import type { Chore } from "./registry/upkeep.ts";
import { openStores, release, type Stores, type Witnesses } from "./stores.ts";
import { VERSION } from "./version.ts";

export { createAuditMetrics, createProcessMetrics, METRICS_TYPE } from "./metrics/metrics.ts";
export { Together } from "./metrics/together.ts";
export { openAuditFile } from "./stores.ts";
/** What operators are told. */
export type {
  Checked,
  Collected,
  Explanation,
  Fault,
  Found,
  InRepository,
  InTrash,
  Moved,
  MovedRepository,
  MoveFault,
  MoveOptions,
  Progress,
  Recovered,
  Registry,
  Repair,
  Repaired,
  RequestLine,
  Restored,
  Rot,
  Samples,
  Scrubbed,
  Source,
  SourceBytes,
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
  /** Takes each line of the audit log, for those who keep it elsewhere. Default: the file that `auditLog` names. */
  readonly logAudit?: (line: string) => void;
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
  /** The same as plain values, for an application of several processes to put together. */
  samples(): Promise<Samples>;
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
 * @throws DataDirectoryError when the data directory cannot be used, DatabaseError when the database cannot,
 * ConfigError for a wrong setting.
 */
export async function createLayerd(config: StoreOptions = {}, host: Host = {}): Promise<Layerd> {
  const settings = resolveStoreConfig(config);
  const log = host.log ?? pino({ level: "silent" });
  const stores = await openStores(settings, log, host.logAudit);
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
    chores: choresOf(settings, stores),
    onRepaired: (repair) => stores.audit?.repaired(repair),
    onError: (err, what) => log.error({ err }, `${what} failed`),
  });
  const requests = new RequestCounts();
  const traffic = new Traffic();
  const metrics = createMetrics({
    ...{ version: VERSION, requests, traffic, commits: stores.commits },
    collections: registry.collector.record,
    scrubs: registry.scrubber.record,
    quarantine: settings.memory ? undefined : () => sumOf(stores.blobs.quarantined()),
    cache: stores.cacheCounts,
    sessions: async () => ({
      begun: await countOf(stores.blobs.uploads()),
      announced: registry.sessions.announced,
    }),
    disk: stores.directory === undefined ? undefined : () => diskOf(settings.data),
    auditLost: stores.audit && (() => stores.audit?.lost ?? 0),
    onUnread: (err, name) => log.warn({ err, metric: name }, "a metric could not be read"),
  });
  let closing: Promise<void> | undefined;
  return {
    middleware: makeMiddleware(settings, host, { registry, stores, requests, log }),
    registry,
    metrics: metrics.text,
    samples: metrics.samples,
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

// Milliseconds.
const SWEEP_STORE_EVERY = 3_600_000;
const WRITTEN_WITHIN = 24 * 3_600_000;

/**
 * What was begun so long ago that nobody will finish it is removed from a store that others use, too, and so is what the
 * database does not know of a bucket. That not without `gc`: a database that was restored from an older copy does not
 * know what was stored since.
 */
export function choresOf(
  { gc, uploadTtl }: Pick<StoreConfig, "gc" | "uploadTtl">,
  { bucket, sharedFiles }: Pick<Stores, "bucket" | "sharedFiles">,
): Chore[] {
  const every = SWEEP_STORE_EVERY;
  const before = (age: number) => new Date(Date.now() - age);
  const chores: Chore[] = [];
  if (bucket !== undefined && gc) {
    const age = Math.max(uploadTtl, WRITTEN_WITHIN);
    const work = (signal: AbortSignal) => bucket.sweepOrphans(before(age), signal);
    chores.push({ name: "bucket", what: "sweeping the bucket", every, work });
  }
  if (sharedFiles !== undefined) {
    const work = () => sharedFiles.sweepLeftovers(before(WRITTEN_WITHIN));
    chores.push({ name: "leftovers", what: "sweeping what uploads have left", every, work });
  }
  return chores;
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
  const repository = parseRepositoryName(settings.repository);
  const nowhere = digestOf(Buffer.from("is the store there?"));
  return createMiddleware({
    service: {
      registry: parts.registry,
      links: new Links({ trustProxy }),
      everybodyReads: host.authorize === undefined,
      elsewhere: settings.s3Redirect ? elsewhereOf(parts.stores) : undefined,
      cacheScope: host.authorize === undefined ? "public" : "private",
      jsonLimit: JSON_LIMIT,
    },
    observe: {
      authorize: host.authorize ?? allowEverything,
      identify: host.identify ?? nameOfUser,
      repository,
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
      const { blobs, index, bucket } = parts.stores;
      const asked = [
        blobs.stat(nowhere),
        index.exists(repository),
        bucket?.ask(AbortSignal.timeout(PROBE_WITHIN)),
      ];
      await Promise.all(asked);
    },
    passUnknown: host.passUnknown ?? true,
  });
}

// Milliseconds; what a database takes to be given up.
const PROBE_WITHIN = 5000;

// Seconds that a URL of the bucket holds: whoever gets one begins at once, and one that leaks is soon worthless.
const SIGNED_FOR = 600;

/** In the bucket, as a file of no type: what strangers have stored is no page of that host either. */
function elsewhereOf({ bucket }: Stores): ((digest: Digest) => Promise<string | undefined>) | undefined {
  return (
    bucket &&
    ((digest) =>
      bucket.presign(digest, {
        expiresIn: SIGNED_FOR,
        contentType: "application/octet-stream",
        contentDisposition: "attachment",
      }))
  );
}

/** Bytes; the limit that distribution-spec §Pushing Manifests recommends for manifests. */
const JSON_LIMIT = 4 * 1024 * 1024;
