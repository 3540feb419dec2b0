import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readBootId } from "../../src/blobs/boot.ts";
import type { Random } from "../tools/random.ts";
import { checkInProcess, checkWithin } from "./check.ts";
import { type Chance, Disk } from "./disk.ts";
import type { History, Item } from "./history.ts";
import type { Recording } from "./recorded.ts";
import { Replay } from "./replay.ts";

/** One run of a server, in a directory of its own. */
export interface Run extends Recording {
  /** The directory above the data directory: it may be new as well. */
  readonly root: string;
  /** Something that was damaged before it began. */
  readonly damage?: { readonly item: Item; readonly path: string; readonly bytes: Buffer };
  /** Line of the trace of the run before, at which that one was killed. */
  readonly killedAt: number;
}

/** A moment, and what of all that no sync has covered is lost then. */
export interface Cut {
  readonly line: number;
  readonly what: string;
  readonly chance: Chance;
}

/** The name of a data directory in its root. */
export const DATA = "data";

/** Plays runs on a model of a disk, up to a line. */
export class Player {
  readonly disk = new Disk();
  readonly #runs: readonly Run[];
  #replay: Replay | undefined;
  #next = 0;

  constructor(runs: readonly Run[]) {
    this.#runs = runs;
  }

  /** Never back. */
  upTo(line: number): void {
    for (
      let run = this.#runs[this.#next];
      run !== undefined && run.killedAt <= line;
      run = this.#runs[this.#next]
    ) {
      this.#replay?.upTo(run.killedAt);
      if (run.damage !== undefined) this.disk.damage(run.damage.path, run.damage.bytes);
      this.#replay = new Replay(this.disk, run.root, run.calls);
      this.#next += 1;
    }
    this.#replay?.upTo(line);
  }
}

/** Makes what each cut leaves, and starts a server on it. Cuts come in the order of their lines. */
export async function checkCuts(
  runs: readonly Run[],
  history: History,
  cuts: readonly Cut[],
  options: { readonly directory: string; readonly inProcess: (cut: Cut) => boolean },
): Promise<string[]> {
  const failures: string[] = [];
  const player = new Player(runs);
  const toAnotherBoot = await anotherBoot();
  for (const cut of cuts) {
    player.upTo(cut.line);
    const root = join(options.directory, `cut-${cut.line}`);
    await mkdir(root, { recursive: true });
    await player.disk.leave(root, cut.chance, toAnotherBoot);
    const damaged = runs.findLast(({ killedAt }) => killedAt <= cut.line)?.damage?.item.id;
    const left = { data: join(root, DATA), history, line: cut.line, damaged };
    const check = options.inProcess(cut) ? checkInProcess : checkWithin;
    await check(left).catch((error: unknown) => failures.push(`cut at ${cut.line}, ${cut.what}: ${error}`));
    await rm(root, { recursive: true });
  }
  return failures;
}

/** Records of uploads name the run of the machine, and after a power cut it is another one. */
async function anotherBoot(): Promise<(path: string, content: Buffer) => Buffer> {
  const [before, after] = [await readBootId(), randomUUID()];
  return (path, content) =>
    dirname(path).endsWith("/uploads") && path.includes(".json")
      ? Buffer.from(content.toString("latin1").replaceAll(before, after), "latin1")
      : content;
}

/**
 * Cuts in each run as many: at lines at which calls begin or end, and at those at which somebody is told something.
 * What is lost is chosen at random.
 */
export function chooseCuts(runs: readonly Run[], count: number, random: Random): Cut[] {
  const lines = runs.flatMap((run, at) => {
    const until = runs[at + 1]?.killedAt ?? Number.POSITIVE_INFINITY;
    const calls = run.calls.flatMap(({ start, end }) => [start, end]);
    return [calls, [...run.told.values()]].map((some) =>
      some.filter((line) => line <= until && line < Number.POSITIVE_INFINITY),
    );
  });
  const chosen = Array.from({ length: count }, (_, at) => random.pick(lines[at % lines.length] ?? []));
  return chosen
    .sort((a, b) => a - b)
    .map((line) => {
      const keeps = random.pick([0, 1, 0.5, random.next()]);
      const what = `${Math.round(keeps * 100)} % kept of what was not synced`;
      return { line, what, chance: () => random.chance(keeps) };
    });
}
