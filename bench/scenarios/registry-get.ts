import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import { startBareHttp } from "../contenders/bare-http.ts";
import { REPOSITORY, startRegistry } from "../contenders/cncf-registry.ts";
import { startLayerd } from "../contenders/layerd.ts";
import { alternate, type Bench, compare, GIB, KIB, type Scenario } from "../toolkit/bench.ts";
import { type Image, makeImage, pushConfig, pushOne } from "../toolkit/images.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { wrk } from "../toolkit/wrk.ts";

// The registry denies that it has a manifest when its type is not asked for.
const ACCEPT = `${MEDIA_TYPE.manifest}, */*`;

export const registryGet: Scenario = {
  name: "registry-get",
  title: "Small reads from the registry",
  method:
    "`wrk -t1 -c32` reads one blob of 1 KiB by its digest, and one manifest by its tag, again and again. A bare " +
    "node:http server answers the same bytes from memory, on the same Node, and does nothing else.",
  needs: ["wrk"],
  peers: ["registry"],
  space: { disk: GIB },
  run,
};

async function run(bench: Bench): Promise<Comparison[]> {
  await using servers = new AsyncDisposableStack();
  const stores = [
    servers.use(await startLayerd(bench, join(bench.disk, "layerd"))),
    servers.use(await startRegistry(bench, join(bench.disk, "registry"))),
  ].filter((store) => store !== undefined);
  const image = makeImage(KIB);
  for (const { origin } of stores) {
    await pushConfig(origin, REPOSITORY);
    await pushOne(origin, REPOSITORY, image, "latest");
  }
  const comparisons: Comparison[] = [];
  for (const { what, path, bytes } of readsOf(image)) {
    const file = join(bench.disk, "bare");
    await writeFile(file, bytes);
    await using bare = await startBareHttp(bench, file);
    const sources = [
      ...stores.map((store) => ({ name: store.name, server: store, url: `${store.origin}${path}` })),
      { name: bare.name, server: bare, url: `${bare.origin}/` },
    ];
    comparisons.push(...(await measure(bench, what, sources, bare.name)));
  }
  return comparisons;
}

type Source = {
  readonly name: string;
  readonly server: { readonly pid: number; readonly origin: string };
  readonly url: string;
};

async function measure(
  bench: Bench,
  what: string,
  sources: readonly Source[],
  bare: string,
): Promise<Comparison[]> {
  const [warmUp, seconds] = bench.quick ? [1, 1] : [2, 4];
  for (const { url } of sources) await wrk(bench, { url, accept: ACCEPT, seconds: warmUp });
  const about = { what, unit: "requests/s" };
  const entrants = sources.map(({ name, url }) => ({
    name,
    measure: async () => (await wrk(bench, { url, accept: ACCEPT, seconds })).requestsPerSecond,
  }));
  return compare(about, await alternate(bench, about, entrants), { [bare]: { of: "ratio", atLeast: 0.6 } });
}

function readsOf({ layer, manifest }: Image) {
  return [
    {
      what: "GET of a 1 KiB blob, 32 connections",
      path: `/v2/${REPOSITORY}/blobs/${digestOf(layer)}`,
      bytes: layer,
    },
    {
      what: "GET of a manifest by tag, 32 connections",
      path: `/v2/${REPOSITORY}/manifests/latest`,
      bytes: Buffer.from(manifest),
    },
  ];
}
