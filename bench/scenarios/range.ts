import { fileURLToPath } from "node:url";
import { startSources } from "../contenders/sources.ts";
import { alternate, type Bench, compare, GIB, KIB, MIB, type Scenario } from "../toolkit/bench.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { formatSize } from "../toolkit/table.ts";
import { wrk } from "../toolkit/wrk.ts";

const SCRIPT = fileURLToPath(new URL("./random-ranges.lua", import.meta.url));
const PIECE = 64 * KIB;

export const range: Scenario = {
  name: "range",
  title: "Ranges",
  method:
    "`wrk -t1 -c32` asks for `Range: bytes=…` of 64 KiB at random offsets of a large layer that is in the " +
    "page cache.",
  needs: ["curl", "wrk"],
  peers: ["nginx", "registry"],
  space: { disk: 4 * GIB },
  run,
};

async function run(bench: Bench): Promise<Comparison[]> {
  const size = bench.quick ? 128 * MIB : GIB;
  const seconds = bench.quick ? 1 : 4;
  await using servers = new AsyncDisposableStack();
  const { sources } = await startSources(bench, servers, size);
  const about = {
    what: `64 KiB at random offsets of ${formatSize(size)}, 32 connections`,
    unit: "requests/s",
  };
  const entrants = sources.map(({ name, server, url }) => ({
    name,
    server,
    measure: async () => await rangesPerSecond(bench, url, size, seconds),
  }));
  return compare(about, await alternate(bench, about, entrants));
}

async function rangesPerSecond(bench: Bench, url: string, size: number, seconds: number): Promise<number> {
  const script = [SCRIPT, String(size), String(PIECE)] as const;
  const { requestsPerSecond, bytesPerRequest } = await wrk(bench, { url, seconds, script });
  // A server that ignored the field would answer 200 with everything. wrk counts what was under way, too.
  if (bytesPerRequest < PIECE || bytesPerRequest > 1.5 * PIECE) {
    throw new Error(
      `GET ${url}: ${Math.round(bytesPerRequest)} bytes an answer, where ${PIECE} were asked for`,
    );
  }
  return requestsPerSecond;
}
