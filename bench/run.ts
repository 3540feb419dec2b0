/*
 * Measures layerd and its peers side by side, in one run, on this machine, and prints ratios.
 *
 *   node bench/run.ts                        everything, five runs: about 20 minutes and 20 GiB of disk
 *   node bench/run.ts --quick                everything, small and once: does it work?
 *   node bench/run.ts --scenario download    one scenario
 *   node bench/run.ts --markdown FILE        the report as a document: docs/performance.md is made this way
 *
 * How a run goes: for every scenario (one file each in scenarios/) the contenders (contenders/) are started on
 * loopback, each with its own store in a temporary directory, and measured in turn: layerd, peer, layerd, peer,
 * …; the median stands in the table, the lowest and the highest run in brackets. Whatever was started is stopped
 * by its pid, and every directory removed, also after Ctrl-C.
 *
 * - layerd runs with the defaults a user gets. Its peers run as their manuals recommend; their configurations
 *   are printed at the end of the report.
 * - Everything measured, said and configured is in results/<time>.jsonl, a JSON line a fact, with the processor
 *   time that each server used.
 * - A peer that is not installed is left out, with a sentence that says how to get it.
 * - A target that is missed is said, and fails nothing: the exit status is 1 only when something went wrong.
 *
 * Linux only: memory and processor time are read from /proc.
 */
import { writeFile } from "node:fs/promises";
import { type Options, parseOptions, RESULTS } from "./options.ts";
import { markdownReport, type ScenarioResult, section } from "./report.ts";
import { SCENARIOS } from "./scenarios/all.ts";
import type { Scenario } from "./toolkit/bench.ts";
import { RunLog } from "./toolkit/log.ts";
import { describeMachine } from "./toolkit/machine.ts";
import { runScenario } from "./toolkit/run-scenario.ts";
import { findTools, HOW_TO_GET, type ToolName, type Tools } from "./toolkit/tools.ts";
import { usage } from "./usage.ts";

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    process.stdout.write(usage());
    return 0;
  }
  const scenarios = choose(options.scenarios);
  const stopped = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopped.abort());
  return await measure(options, scenarios, stopped.signal);
}

function choose(names: readonly string[]): readonly Scenario[] {
  const known = SCENARIOS.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`no scenario ${unknown}; there are ${known.join(", ")}`);
  return names.length === 0 ? SCENARIOS : SCENARIOS.filter(({ name }) => names.includes(name));
}

async function measure(
  options: Options,
  scenarios: readonly Scenario[],
  signal: AbortSignal,
): Promise<number> {
  const date = new Date();
  const log = new RunLog(RESULTS);
  const tools = await findTools(options.tools);
  const machine = describeMachine();
  const versions = versionsOf(tools);
  log.record("started", { options, machine, versions });
  log.say(`raw log: ${log.path}\n`);
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    if (signal.aborted) break;
    const result = await runScenario(scenario, { options, tools, log, signal });
    log.say(`${section(result)}\n`);
    results.push(result);
  }
  if (options.markdown !== undefined) {
    const facts = { date, options, machine, versions, configurations: log.configurations };
    await writeFile(options.markdown, markdownReport(facts, results));
  }
  return signal.aborted || results.some(({ failed }) => failed) ? 1 : 0;
}

function versionsOf(tools: Tools): Record<string, string> {
  const names = Object.keys(HOW_TO_GET) as ToolName[];
  const peers = names.map((name) => [name, tools[name]?.version ?? "not here"]);
  return { node: process.version, ...Object.fromEntries(peers) };
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
