import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { startRegistry } from "../contenders/cncf-registry.ts";
import { startLayerd } from "../contenders/layerd.ts";
import type { Store } from "../contenders/store.ts";
import { alternate, type Bench, GIB, MIB, type Scenario } from "../toolkit/bench.ts";
import { SyntheticLayers } from "../toolkit/content.ts";
import { drain, sendLayer } from "../toolkit/http-client.ts";
import { peakMemory } from "../toolkit/proc.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { formatSize } from "../toolkit/table.ts";

const TRANSFERS = 64;
const STORED = 8;
const LIMIT = { of: "value", atMost: 250 } as const;
// "Flat": sixteen times the layer, at most a fifth more.
const FLAT = { of: "ratio", atMost: 1.2 } as const;
// Many gigabytes go to the disk in each run, and a peak hardly varies.
const RUNS_MAX = 2;

export const memory: Scenario = {
  name: "memory",
  title: "Memory",
  method:
    "The most that was ever resident (`VmHWM`) in a server that was started for these transfers alone, all of " +
    `them at once, each upload another content, downloads of ${STORED} different layers. 1 MB is 10^6 bytes. ` +
    `At most ${RUNS_MAX} runs; the highest counts.`,
  needs: [],
  peers: ["registry"],
  space: { disk: 20 * GIB },
  run,
};

interface Load {
  readonly uploads: number;
  readonly downloads: number;
  /** Bytes of each layer. */
  readonly size: number;
}

async function run(bench: Bench): Promise<Comparison[]> {
  const size = (bench.quick ? 16 : 256) * MIB;
  const half = TRANSFERS / 2;
  const comparisons: Comparison[] = [];
  for (const [uploads, downloads] of [
    [half, half],
    [TRANSFERS, 0],
    [0, TRANSFERS],
  ] as const) {
    comparisons.push(await crowd(bench, { uploads, downloads, size }));
  }
  return [...comparisons, await flatness(bench)];
}

async function crowd(bench: Bench, load: Load): Promise<Comparison> {
  const what = `${load.uploads} uploads + ${load.downloads} downloads of ${formatSize(load.size)}`;
  const about = { what, unit: "MB", summary: "highest", runs: Math.min(bench.runs, RUNS_MAX) } as const;
  const measure = (name: string, start: Start) => ({ name, measure: () => peakOf(bench, start, load) });
  const entrants = [
    measure("layerd", startLayerd),
    ...(bench.tools.registry === undefined ? [] : [measure("registry", startRegistry)]),
  ];
  const figures = await alternate(bench, about, entrants);
  const layerd = figures.get("layerd") ?? [];
  const registry = figures.get("registry");
  return {
    ...about,
    layerd,
    target: LIMIT,
    ...(registry && { peer: { name: "registry", values: registry } }),
  };
}

/** One client with a large layer against one with a small one. */
async function flatness(bench: Bench): Promise<Comparison> {
  const small = (bench.quick ? 16 : 64) * MIB;
  const large = 16 * small;
  const what = `1 upload, then 1 download, of ${formatSize(large)}`;
  const about = { what, unit: "MB" };
  const entrants = [large, small].map((size) => ({
    name: nameOf(size),
    measure: () => peakOf(bench, startLayerd, { uploads: 0, downloads: 1, size }),
  }));
  const figures = await alternate(bench, about, entrants);
  const peer = { name: nameOf(small), values: figures.get(nameOf(small)) ?? [] };
  return { ...about, layerd: figures.get(nameOf(large)) ?? [], peer, target: FLAT };
}

function nameOf(size: number): string {
  return `layerd, ${formatSize(size)}`;
}

type Start = (bench: Bench, data: string) => Promise<Store | undefined>;

/** MB */
async function peakOf(bench: Bench, start: Start, load: Load): Promise<number> {
  const data = await mkdtemp(join(bench.disk, "store-"));
  try {
    await using server = await start(bench, data);
    if (server === undefined) throw new Error("it was there a moment ago");
    await transfer(server, load);
    return peakMemory(server.pid);
  } finally {
    await rm(data, { recursive: true });
  }
}

async function transfer(store: Store, { uploads, downloads, size }: Load): Promise<void> {
  const layers = new SyntheticLayers(size);
  const upload = async () => {
    const layer = layers.next();
    await sendLayer(await store.beginUpload(layer.digest), layer);
    return store.urlOf(layer.digest);
  };
  const stored: string[] = [];
  while (stored.length < Math.min(downloads, STORED)) stored.push(await upload());
  const readers = stored.flatMap((url) =>
    Array.from({ length: downloads / stored.length }, () => drain(url, size)),
  );
  await Promise.all([...readers, ...Array.from({ length: uploads }, upload)]);
}
