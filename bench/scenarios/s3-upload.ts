import { mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { TABLES } from "../../src/postgres/migrations/0006-blob-catalog.ts";
import { Postgres, query } from "../../test/tools/postgres.ts";
import type { S3Result, S3Setting, S3Way } from "../contenders/s3-uploader.ts";
import { type S3Store, startVersitygw } from "../contenders/versitygw.ts";
import { alternate, type Bench, GIB, MIB, type Scenario } from "../toolkit/bench.ts";
import { output } from "../toolkit/command.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { formatSize } from "../toolkit/table.ts";

const SDK = "AWS SDK alone";
const WAYS = [
  { name: SDK, way: "sdk" },
  { name: "plain", way: "plain" },
  { name: "resumable", way: "resumable" },
] as const satisfies readonly { readonly name: string; readonly way: S3Way }[];

export const s3Upload: Scenario = {
  name: "s3-upload",
  title: "Uploads to S3",
  method:
    "A process of its own uploads random bytes to versitygw: through layerd's S3 driver, whose catalog is a PostgreSQL " +
    "on the same machine, or with nothing but the AWS SDK, which is given parts that are in memory already. Parts of " +
    "8 MiB, 3 under way, each signed with its SHA-256; the driver computes the blob's digest beside it. Wall clock, " +
    "until the object is complete, after a smaller upload to begin with; the most that was ever resident in that " +
    "process; and what it sent to S3, headers included.",
  needs: ["versitygw"],
  peers: [],
  space: { disk: 4 * GIB },
  run,
};

async function run(bench: Bench): Promise<Comparison[]> {
  const size = (bench.quick ? 64 : 1024) * MIB;
  await using started = new AsyncDisposableStack();
  const postgres = started.adopt(await Postgres.start(), (server) => server.remove());
  const database = await postgres.database();
  for (const table of TABLES) await query(database, table);
  const store = started.use(await startVersitygw(bench, bench.tools.versitygw?.command ?? ""));
  const { origin: endpoint, bucket, accessKey, secretKey } = store;
  const setting = { layerd: bench.layerd, endpoint, bucket, accessKey, secretKey, database, size };
  const results = new Map<string, S3Result[]>(WAYS.map(({ name }) => [name, []]));
  const entrants = WAYS.map(({ name, way }) => ({
    name,
    server: store,
    measure: async () => {
      const result = await upload(bench, { way, store, setting });
      results.get(name)?.push(result);
      return size / MIB / result.seconds;
    },
  }));
  const figures = await alternate(bench, { what: formatSize(size), unit: "MiB/s" }, entrants);
  const peer = { name: SDK, values: figures.get(SDK) ?? [] };
  return ["plain", "resumable"].flatMap((name): Comparison[] => {
    const what = `${formatSize(size)}, ${name}`;
    const own = results.get(name) ?? [];
    const memory = own.map((result) => result.memory);
    const sent = own.map((result) => result.sent / MIB);
    const theirs = { name: SDK, values: (results.get(SDK) ?? []).map((result) => result.memory) };
    return [
      { what, unit: "MiB/s", layerd: figures.get(name) ?? [], peer, target: { of: "ratio", atLeast: 0.9 } },
      {
        ...{ what: `memory, ${what}`, unit: "MB", summary: "highest", layerd: memory },
        ...{ peer: theirs, target: { of: "value", atMost: 200 } },
      },
      // Headers take less than a thousandth.
      {
        what: `sent, ${what}`,
        unit: "MiB",
        layerd: sent,
        target: { of: "value", atMost: 1.001 * (size / MIB) },
      },
    ];
  });
}

async function upload(
  bench: Bench,
  { way, store, setting }: { readonly way: S3Way; readonly store: S3Store; readonly setting: S3Setting },
): Promise<S3Result> {
  const program = fileURLToPath(new URL("../contenders/s3-uploader.ts", import.meta.url));
  const said = await output(process.execPath, [program, way, JSON.stringify(setting)], bench.signal);
  const result: S3Result = JSON.parse(said);
  bench.log.record("s3-upload", { way, ...result });
  await rm(store.directory, { recursive: true });
  await mkdir(store.directory);
  return result;
}
