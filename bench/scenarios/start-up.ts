import { join } from "node:path";
import { startLayerd } from "../contenders/layerd.ts";
import { alternate, type Bench, GIB, type Scenario } from "../toolkit/bench.ts";
import { residentMemory } from "../toolkit/proc.ts";
import { seed } from "../toolkit/seed.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { formatNumber } from "../toolkit/table.ts";

export const startUp: Scenario = {
  name: "start-up",
  title: "Start-up",
  method:
    "The time from starting the process to the first 200 of `/readyz`, and what is resident then, with many " +
    "manifests in many repositories against an empty store.",
  needs: [],
  peers: [],
  space: { disk: 3 * GIB },
  run,
};

async function run(bench: Bench): Promise<Comparison[]> {
  const [repositories, manifests] = bench.quick ? [50, 100] : [1000, 100];
  const full = join(bench.disk, "full");
  const names = Array.from({ length: repositories }, (_, n) => `team-${n % 10}/service-${n}`);
  await seed(full, { repositories: names, manifests, signal: bench.signal });
  const memory = new Map<string, number[]>();
  const entrants = [
    { name: "layerd", data: full },
    { name: "empty store", data: join(bench.disk, "empty") },
  ].map(({ name, data }) => ({
    name,
    measure: async () => {
      await using server = await startLayerd(bench, data);
      memory.set(name, [...(memory.get(name) ?? []), residentMemory(server.pid)]);
      return server.readyAfter / 1000;
    },
  }));
  const many = `${formatNumber(repositories * manifests)} manifests in ${formatNumber(repositories)} repositories`;
  const time = { what: `until ready, ${many}`, unit: "s" };
  const times = await alternate(bench, time, entrants);
  const held = { what: `memory when ready, ${many}`, unit: "MB" };
  bench.log.record("memory", { ...held, figures: Object.fromEntries(memory) });
  return [
    { ...againstEmpty(times), ...time, target: { of: "value", atMost: 1 } },
    { ...againstEmpty(memory), ...held },
  ];
}

function againstEmpty(figures: ReadonlyMap<string, readonly number[]>) {
  const [layerd = [], empty = []] = [figures.get("layerd"), figures.get("empty store")];
  return { layerd, peer: { name: "empty store", values: empty } };
}
