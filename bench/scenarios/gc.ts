import { join } from "node:path";
import { Readable } from "node:stream";
import { digestOf } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import { parseRepositoryName, parseTag } from "../../src/core/name.ts";
import { createLayerd } from "../../src/create.ts";
import { startLayerd } from "../contenders/layerd.ts";
import { type Bench, GIB, inParallel, type Scenario } from "../toolkit/bench.ts";
import { output } from "../toolkit/command.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { formatNumber } from "../toolkit/table.ts";
import { wrk } from "../toolkit/wrk.ts";

export const gc: Scenario = {
  name: "gc",
  title: "Garbage collection",
  method:
    "Every tenth of many images is deleted, then `layerd gc` collects what only they needed, while `wrk -t1 -c32` " +
    "reads one layer of 1 KiB again and again. The time that 99 of 100 of those reads take, against a time of the " +
    "same length without a collection before it.",
  needs: ["wrk"],
  peers: [],
  space: { disk: 8 * GIB },
  run,
};

const REPOSITORIES = 10;
const AT_ONCE = 64;
const GRACE = 1000;

async function run(bench: Bench): Promise<Comparison[]> {
  const images = bench.quick ? 2_000 : 100_000;
  const data = join(bench.disk, "data");
  const read = await seed(data, images, bench.signal);
  await using server = await startLayerd(bench, data, ["--no-gc", "--gc-grace", `${GRACE}ms`]);
  const url = server.urlOf(read);
  await wrk(bench, { url, seconds: 2 });
  const quiet = await wrk(bench, { url, seconds: bench.quick ? 1 : 15 });
  const started = performance.now();
  const collection = output(process.execPath, [bench.layerd, "gc", "--json", "--data", data], bench.signal);
  const reading = wrk(bench, { url, seconds: bench.quick ? 1 : 15 });
  const lines = (await collection).trimEnd().split("\n");
  const seconds = (performance.now() - started) / 1000;
  const busy = await reading;
  const collected = JSON.parse(lines.at(-1) ?? "{}");
  bench.log.record("gc", { collected, seconds });
  const all = `${formatNumber(images)} manifests, ${formatNumber(3 * images)} blobs`;
  if (collected.blobs < (images / 10) * 3) throw new Error(`only ${lines.at(-1)}`);
  return [
    {
      what: `a collection over ${all}`,
      unit: "s",
      layerd: [seconds],
      target: { of: "value", atMost: 60 },
    },
    {
      what: "99th percentile of 1 KiB GETs meanwhile",
      unit: "ms",
      layerd: [busy.p99],
      peer: { name: "layerd, before", values: [quiet.p99] },
      target: { of: "ratio", atMost: 2 },
    },
  ];
}

/** Images of two layers each, of which every tenth has been deleted again. @returns a layer to read. */
async function seed(data: string, images: number, signal: AbortSignal) {
  const layerd = await createLayerd({ data, durability: "os", gc: false });
  const { layers, pusher, manifests } = layerd.registry;
  const store = (repository: string, bytes: Buffer) =>
    layers.store(
      { repository: parseRepositoryName(repository), who: "bench" },
      { stream: Readable.from([bytes], { objectMode: false }) },
      { mediaType: MEDIA_TYPE.tar },
    );
  try {
    const config = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"}}');
    for (let n = 0; n < REPOSITORIES; n += 1) await store(`team/app-${n}`, config);
    await inParallel(Array.from({ length: images }).keys(), AT_ONCE, async (n) => {
      signal.throwIfAborted();
      const name = `team/app-${n % REPOSITORIES}`;
      const place = { repository: parseRepositoryName(name), who: "bench" };
      const own = ["a", "b"].map((layer) => Buffer.from(`${layer} ${n}`));
      for (const bytes of own) await store(name, bytes);
      const bytes = Buffer.from(JSON.stringify(manifestOf(config, own)));
      const digest = digestOf(bytes);
      const tags = [parseTag(`v${n}`)];
      await pusher.push(place, { bytes, contentType: MEDIA_TYPE.manifest, digest, tags, guards: [] });
      if (n % 10 === 0) await manifests.delete(place, { digest });
    });
    return (await store("library", Buffer.alloc(1024, 1))).digest;
  } finally {
    await layerd.close();
    await output("sync", ["--file-system", data]);
  }
}

function manifestOf(config: Buffer, layers: readonly Buffer[]): object {
  const describe = (bytes: Buffer, mediaType: string) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.manifest,
    config: describe(config, MEDIA_TYPE.config),
    layers: layers.map((bytes) => describe(bytes, MEDIA_TYPE.tar)),
  };
}
