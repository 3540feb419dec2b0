import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { query } from "../../test/tools/postgres.ts";
import { inParallel, KIB, MIB } from "../toolkit/bench.ts";
import { Client } from "./client.ts";
import type { Engine } from "./engines.ts";
import { fresh, makeImage, Repository } from "./registry.ts";

/** What a command of layerd's costs. */
interface Spent {
  /** Of the command's process. */
  readonly processorSeconds: number;
  readonly statements: number;
  readonly roundTrips: number;
  readonly s3: number;
  /** Bytes that S3 sent. */
  readonly received: number;
}

/** One more of what a collection or a scrub meets. */
export interface UpkeepCost {
  readonly what: string;
  /** Microseconds. */
  readonly processor: number;
  readonly statements: number;
  readonly roundTrips: number;
  readonly s3: number;
}

const AT_ONCE = 8;
const IMAGES = 500;
const UNUSED = 500;
const LARGE = 4;
// A config, a layer and the manifest.
const BLOBS = 3;
// Enough generations for no promise to hold.
const GENERATIONS = 5;

/**
 * The cost of one blob more, from what the same command costs with fewer and with more of them: what it costs to start
 * it is not among that.
 */
export async function measureUpkeep(engine: Engine, share = 1): Promise<UpkeepCost[]> {
  const images = Math.round(IMAGES * share);
  const unused = Math.round(UNUSED * share);
  await fill(engine, { images });
  const gc = () => command(engine, ["gc", "--gc-grace", engine.database === undefined ? "1ms" : "1h"]);
  const scrub = () => command(engine, ["scrub"]);
  const fewCollected = await gc();
  const fewScrubbed = await scrub();
  await fill(engine, { images });
  const moreCollected = await gc();
  const moreScrubbed = await scrub();
  await fill(engine, { unused });
  const withUnused = await gc();
  await fill(engine, { large: LARGE });
  const withLarge = await scrub();
  return [
    each("collection: a blob that stays", fewCollected, moreCollected, images * BLOBS),
    each("collection: a blob that goes to the trash", moreCollected, withUnused, unused),
    each("scrub: a small blob", fewScrubbed, moreScrubbed, images * BLOBS),
    each("scrub: a MiB of a large blob", moreScrubbed, withLarge, LARGE * 64),
  ];
}

async function fill(
  engine: Engine,
  { images = 0, unused = 0, large = 0 }: { images?: number; unused?: number; large?: number },
): Promise<void> {
  await using server = await engine.serve();
  const client = new Client(server.url, AT_ONCE);
  const to = (n: number) => new Repository(client, `team/app-${n % 10}`);
  await inParallel(Array(images).keys(), AT_ONCE, async (n) => {
    const image = makeImage(1, KIB);
    await to(n).pushQuickly(image, `v-${Date.now()}-${n}`);
  });
  await inParallel(Array(unused).keys(), AT_ONCE, (n) => to(n).post(fresh(2 * KIB)));
  for (let n = 0; n < large; n += 1) await to(n).post(fresh(64 * MIB));
  client.close();
  if (engine.database !== undefined) await letTimePass(engine.database);
}

/** In a database, what was pushed a moment ago is of the day before, and promised to nobody any more. */
async function letTimePass(database: string): Promise<void> {
  await query(database, "update blobs set created_at = created_at - interval '1 day'");
  await query(database, `update promise_generation set current = current + ${GENERATIONS}`);
}

async function command(engine: Engine, args: readonly string[]): Promise<Spent> {
  engine.postgres?.take();
  engine.s3?.take();
  const layerd = [process.execPath, "src/cli/main.ts", ...args, "--json", ...engine.flags];
  // Only a shell tells what its children have used.
  const script = 'TIMEFORMAT="%U %S"; time "$@"';
  const child = spawn("bash", ["-c", script, "bash", ...layerd], { stdio: ["ignore", "ignore", "pipe"] });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  if (code !== 0) throw new Error(`layerd ${args.join(" ")}: ${said}`);
  const [user = 0, system = 0] = said.trim().split("\n").at(-1)?.split(" ").map(Number) ?? [];
  const postgres = engine.postgres?.take();
  const s3 = engine.s3?.take();
  return {
    processorSeconds: user + system,
    statements: postgres?.statements.length ?? 0,
    roundTrips: postgres?.roundTrips ?? 0,
    s3: s3?.requests.length ?? 0,
    received: s3?.received ?? 0,
  };
}

function each(what: string, few: Spent, more: Spent, count: number): UpkeepCost {
  return {
    what,
    processor: ((more.processorSeconds - few.processorSeconds) * 1e6) / count,
    statements: (more.statements - few.statements) / count,
    roundTrips: (more.roundTrips - few.roundTrips) / count,
    s3: (more.s3 - few.s3) / count,
  };
}
