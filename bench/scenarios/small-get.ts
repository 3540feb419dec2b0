import { startBareHttp } from "../contenders/bare-http.ts";
import { startSources } from "../contenders/sources.ts";
import { alternate, type Bench, compare, KIB, MIB, type Scenario } from "../toolkit/bench.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { wrk } from "../toolkit/wrk.ts";

export const smallGet: Scenario = {
  name: "small-get",
  title: "Small downloads",
  method:
    "`wrk -t1 -c32` reads one layer of 1 KiB again and again. The bare node:http server answers the same bytes " +
    "from memory, on the same Node, and does nothing else: no look-up, no request log, no conditional requests.",
  needs: ["curl", "wrk"],
  peers: ["nginx", "registry"],
  space: { disk: 100 * MIB },
  run,
};

async function run(bench: Bench): Promise<Comparison[]> {
  await using servers = new AsyncDisposableStack();
  const { content, sources } = await startSources(bench, servers, KIB);
  const bare = servers.use(await startBareHttp(bench, content.path));
  const all = [...sources, { name: bare.name, server: bare, url: `${bare.origin}/` }];
  const [warmUp, seconds] = bench.quick ? [1, 1] : [2, 4];
  for (const { url } of all) await wrk(bench, { url, seconds: warmUp });
  const about = { what: "GET of a 1 KiB layer, 32 connections", unit: "requests/s" };
  const entrants = all.map(({ name, server, url }) => ({
    name,
    server,
    measure: async () => (await wrk(bench, { url, seconds })).requestsPerSecond,
  }));
  const figures = await alternate(bench, about, entrants);
  return compare(about, figures, { [bare.name]: { of: "ratio", atLeast: 0.6 } });
}
