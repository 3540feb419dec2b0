import { mkdir } from "node:fs/promises";
import { loadavg } from "node:os";
import type { Options } from "../options.ts";
import type { ScenarioResult } from "../report.ts";
import { type Bench, GIB, type Scenario } from "./bench.ts";
import type { RunLog } from "./log.ts";
import type { Comparison } from "./statistics.ts";
import { HOW_TO_GET, type Tools } from "./tools.ts";
import { freeSpace, makeWorkspace } from "./workspace.ts";

export interface Setting {
  readonly options: Options;
  readonly tools: Tools;
  readonly log: RunLog;
  readonly signal: AbortSignal;
}

// What a quick run needs of the space of a full one.
const QUICK_SHARE = 1 / 8;

/** Runs one scenario in directories of its own. What goes wrong is a remark in the result. */
export async function runScenario(scenario: Scenario, setting: Setting): Promise<ScenarioResult> {
  const { options, tools, log } = setting;
  const obstacle = await findObstacle(scenario, setting);
  if (obstacle !== undefined)
    return { scenario, comparisons: [], remarks: [`Skipped: ${obstacle}`], failed: false };
  const missing = scenario.peers.filter((name) => tools[name] === undefined);
  const remarks = missing.map((name) => `Left out: ${HOW_TO_GET[name]}`);
  const wantsRam = space(scenario.space.ram, options);
  const hasRam = (await freeSpace(options.ram)) >= wantsRam;
  if (!hasRam)
    remarks.push(`Left out: ${options.ram} is no RAM disk with ${inGib(wantsRam)} free; see --ram.`);
  log.say(`${scenario.title} (${scenario.name})`);
  log.record("scenario", { scenario: scenario.name, loadAverage: loadavg() });
  const started = performance.now();
  try {
    const comparisons = await inWorkspaces(scenario, setting, hasRam && wantsRam > 0);
    const seconds = (performance.now() - started) / 1000;
    log.record("finished", { scenario: scenario.name, seconds, comparisons });
    return { scenario, comparisons, remarks, failed: false };
  } catch (error) {
    log.record("failed", { scenario: scenario.name, error: String(error), stack: (error as Error).stack });
    return {
      scenario,
      comparisons: [],
      remarks: [...remarks, `Failed: ${(error as Error).message}`],
      failed: true,
    };
  }
}

async function findObstacle(scenario: Scenario, { options, tools }: Setting): Promise<string | undefined> {
  const missing = scenario.needs.find((name) => tools[name] === undefined);
  if (missing !== undefined) return HOW_TO_GET[missing];
  const wanted = space(scenario.space.disk, options);
  await mkdir(options.dir, { recursive: true });
  if ((await freeSpace(options.dir)) >= wanted) return undefined;
  return `${options.dir} has less than ${inGib(wanted)} free; see --dir.`;
}

async function inWorkspaces(scenario: Scenario, setting: Setting, ram: boolean): Promise<Comparison[]> {
  const { options, tools, log, signal } = setting;
  const { runs, quick, layerd } = options;
  await using spaces = new AsyncDisposableStack();
  const disk = spaces.use(await makeWorkspace(options.dir)).path;
  const memory = ram ? spaces.use(await makeWorkspace(options.ram)).path : undefined;
  const bench: Bench = {
    scenario: scenario.name,
    runs,
    quick,
    layerd,
    tools,
    log,
    signal,
    disk,
    ram: memory,
  };
  return await scenario.run(bench);
}

function space(bytes = 0, { quick }: Options): number {
  return bytes * (quick ? QUICK_SHARE : 1);
}

function inGib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
