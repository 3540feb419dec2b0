import { type Source, startSources } from "../contenders/sources.ts";
import { alternate, type Bench, compare, GIB, MIB, type Scenario, secondsOf } from "../toolkit/bench.ts";
import * as curl from "../toolkit/curl.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { formatSize } from "../toolkit/table.ts";

export const download: Scenario = {
  name: "download",
  title: "Download",
  method:
    "A large layer, in the page cache of every server, is read by curl into /dev/null: by one client, and by " +
    "eight at once. Wall clock, from the first client's start to the last one's end.",
  needs: ["curl"],
  peers: ["nginx", "registry"],
  space: { disk: 4 * GIB },
  run,
};

async function run(bench: Bench): Promise<Comparison[]> {
  const size = bench.quick ? 128 * MIB : GIB;
  await using servers = new AsyncDisposableStack();
  const { sources } = await startSources(bench, servers, size);
  return [...(await measure(bench, sources, 1, size)), ...(await measure(bench, sources, 8, size))];
}

async function measure(bench: Bench, sources: readonly Source[], clients: number, size: number) {
  const who = clients === 1 ? "one client" : `${clients} clients`;
  const about = { what: `${formatSize(size)}, ${who}`, unit: "MiB/s" };
  const entrants = sources.map(({ name, server, url }) => {
    const all = () => Promise.all(Array.from({ length: clients }, () => curl.download(bench, url, size)));
    return { name, server, measure: async () => (clients * size) / MIB / (await secondsOf(all)) };
  });
  const figures = await alternate(bench, about, entrants);
  return compare(about, figures, { nginx: { of: "ratio", atLeast: 0.9 } });
}
