import type { RunLog } from "./log.ts";
import { processorSeconds } from "./proc.ts";
import type { Server } from "./server.ts";
import type { Comparison, Figures } from "./statistics.ts";
import { formatNumber } from "./table.ts";
import type { ToolName, Tools } from "./tools.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** What a scenario works with. */
export interface Bench {
  /** The scenario's name. */
  readonly scenario: string;
  readonly runs: number;
  /** Sizes and times shrink, to see that everything works; the figures mean little. */
  readonly quick: boolean;
  readonly tools: Tools;
  /** layerd's entry file. */
  readonly layerd: string;
  /** An empty directory on the disk, removed when the scenario ends. */
  readonly disk: string;
  /** The same on a RAM disk; `undefined` when there is none that is large enough. */
  readonly ram: string | undefined;
  readonly log: RunLog;
  /** Aborted when the user has had enough. */
  readonly signal: AbortSignal;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** How it is measured, for the reader of the table: whole sentences. */
  readonly method: string;
  /** Without these it cannot run at all. */
  readonly needs: readonly ToolName[];
  /** These are left out when they are missing. */
  readonly peers: readonly ToolName[];
  /** Bytes that it needs at full size. */
  readonly space: { readonly disk: number; readonly ram?: number };
  run(bench: Bench): Promise<Comparison[]>;
}

/** One side of a measurement. */
export interface Entrant {
  readonly name: string;
  /** Its processor time is recorded too. */
  readonly server?: Server;
  /** Takes one measurement. `run` counts from 1. */
  measure(run: number): Promise<number>;
}

/**
 * Measures every entrant `runs` times in turn (a, b, a, b, …), so that a change of the machine's mood meets
 * all of them, and records every figure.
 */
export async function alternate(
  bench: Bench,
  about: { readonly what: string; readonly unit: string; readonly runs?: number },
  entrants: readonly Entrant[],
): Promise<Map<string, number[]>> {
  const figures = new Map(entrants.map(({ name }) => [name, [] as number[]]));
  for (let run = 1; run <= (about.runs ?? bench.runs); run += 1) {
    for (const { name, server, measure } of entrants) {
      bench.signal.throwIfAborted();
      const before = server && processorSeconds(server.pid);
      const value = await measure(run);
      const processor = server && processorSeconds(server.pid) - (before ?? 0);
      const { scenario, log } = bench;
      log.record("measurement", {
        scenario,
        ...about,
        contender: name,
        run,
        value,
        processorSeconds: processor,
      });
      log.say(`  ${about.what}: ${name}, run ${run}: ${formatNumber(value)} ${about.unit}`);
      figures.get(name)?.push(value);
    }
  }
  return figures;
}

/** layerd held against each of the others, or alone when there is none; `targets` says what is asked against which peer. */
export function compare(
  about: Pick<Comparison, "what" | "unit" | "summary">,
  figures: ReadonlyMap<string, readonly number[]>,
  targets: Readonly<Record<string, Comparison["target"]>> = {},
): Comparison[] {
  const layerd = figures.get("layerd") ?? [];
  const peers: Figures[] = [...figures].flatMap(([name, values]) =>
    name === "layerd" ? [] : { name, values },
  );
  if (peers.length === 0) return [{ ...about, layerd }];
  return peers.map((peer) => {
    const target = targets[peer.name];
    return { ...about, layerd, peer, ...(target === undefined ? {} : { target }) };
  });
}

/** Seconds that `work` takes. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** Works through `items`, `width` at a time. The first failure ends it. */
export async function inParallel<T>(
  items: Iterable<T>,
  width: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const source = items[Symbol.iterator]();
  const worker = async () => {
    for (let next = source.next(); !next.done; next = source.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
