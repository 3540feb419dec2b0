import type { BlobStore } from "../blobs/port.ts";
import type { Cluster } from "../cluster/port.ts";
import type { Rules } from "../core/rules.ts";
import type { Index } from "../index/port.ts";
import { Checker } from "./check/checker.ts";
import { Recovery } from "./check/recovery.ts";
import type { Repair } from "./check/repair.ts";
import { Repairer } from "./check/repairer.ts";
import { Composer } from "./compose.ts";
import { DiffIds, type UnpackLimits } from "./diff-ids.ts";
import { Collections, type GcOptions } from "./gc/collections.ts";
import { Collector } from "./gc/collector.ts";
import { Explainer } from "./gc/explainer.ts";
import { Trash } from "./gc/trash.ts";
import { Layers } from "./layers.ts";
import { Manifests } from "./manifests.ts";
import { Mounts } from "./mounts.ts";
import { Mover } from "./move/mover.ts";
import { type Source, sourceOf } from "./move/source.ts";
import { Pusher } from "./push.ts";
import { Referrers } from "./referrers.ts";
import { Repositories } from "./repositories.ts";
import { Scrubber } from "./scrub/scrubber.ts";
import { Scrubs, type ScrubsOptions } from "./scrub/scrubs.ts";
import { Sessions } from "./sessions.ts";
import { type Chore, Upkeep } from "./upkeep.ts";
import { Uploads } from "./uploads.ts";

export interface RegistryOptions {
  /** What may be done in which repository. */
  readonly rules: Rules;
  /** Milliseconds after its last change when an unfinished upload is forgotten. */
  readonly uploadTtl: number;
  readonly unpack: UnpackLimits;
  readonly gc: GcOptions;
  readonly scrub: ScrubsOptions;
  /** What the stores themselves want done now and then. */
  readonly chores?: readonly Chore[];
  /** Told of everything that a repair has changed. */
  readonly onRepaired?: (repair: Repair) => void;
  /** Told of what goes wrong in the background, where no request can be answered. */
  readonly onError: (error: unknown, what: string) => void;
}

// Sessions live for hours; looking for expired ones more often would find nothing.
const SWEEPS_PER_TTL = 24;
const SWEEP_AT_MOST_EVERY = 1000;

/** The domain: everything a server can do, over any stores, knowing neither HTTP nor disks. */
export interface Registry {
  readonly layers: Layers;
  readonly manifests: Manifests;
  readonly composer: Composer;
  readonly pusher: Pusher;
  readonly uploads: Uploads;
  readonly sessions: Sessions;
  readonly mounts: Mounts;
  readonly repositories: Repositories;
  readonly referrers: Referrers;
  /** Runs by itself too, when that was asked for. */
  readonly collector: Collector;
  readonly trash: Trash;
  readonly explainer: Explainer;
  /** Runs by itself too, when that was asked for. */
  readonly scrubber: Scrubber;
  readonly checker: Checker;
  readonly recovery: Recovery;
  /** For when nobody else uses the store. */
  readonly repairer: Repairer;
  /** All of it, to be copied into another store. */
  readonly source: Source;
  /** Copies another store into this one. */
  readonly mover: Mover;
  /** Ends running uploads (they stay resumable), waits for what is queued, closes the stores. Idempotent. */
  close(): Promise<void>;
}

/** Takes over the stores: closing the registry closes them. */
export function createRegistry(
  stores: { readonly blobs: BlobStore; readonly index: Index; readonly cluster: Cluster },
  options: RegistryOptions,
): Registry {
  const { rules } = options;
  const shared = { ...stores, holds: stores.cluster.holds };
  const layers = new Layers(shared, rules);
  const uploads = new Uploads(stores.blobs, layers, { ttl: options.uploadTtl });
  const upkeep = new Upkeep([sweepingOf(uploads, options.uploadTtl), ...(options.chores ?? [])], {
    cluster: stores.cluster,
    onError: options.onError,
  });
  const pusher = new Pusher(shared, rules);
  const collector = new Collector(stores, { rules, ...options.gc });
  const collections = new Collections(collector, stores, options);
  const scrubber = new Scrubber(shared, { keep: options.gc.trashTtl, onRot: options.scrub.onRot });
  const scrubs = new Scrubs(scrubber, stores.cluster, options);
  const checker = new Checker(stores, rules);
  const recovery = new Recovery(shared);
  let closing: Promise<void> | undefined;
  const close = async () => {
    await upkeep.close();
    await collections.close();
    await scrubs.close();
    await uploads.close();
    await stores.index.close();
    await stores.blobs.close();
    await stores.cluster.close();
  };
  return {
    layers,
    manifests: new Manifests(stores, rules),
    composer: new Composer(shared, new DiffIds(stores, options.unpack), rules),
    pusher,
    uploads,
    sessions: new Sessions(layers, uploads, stores.cluster.shared),
    mounts: new Mounts(stores, layers),
    repositories: new Repositories(stores.index),
    referrers: new Referrers(stores),
    collector,
    trash: new Trash(shared, { layers, pusher }),
    explainer: new Explainer(shared, { rules, ...options.gc }),
    scrubber,
    checker,
    recovery,
    repairer: new Repairer(stores, { checker, recovery }, options),
    source: sourceOf(stores),
    mover: new Mover(shared, rules),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

function sweepingOf(uploads: Uploads, ttl: number): Chore {
  return {
    name: "uploads",
    what: "sweeping uploads",
    every: Math.max(ttl / SWEEPS_PER_TTL, SWEEP_AT_MOST_EVERY),
    work: () => uploads.sweep(new Date()),
  };
}
