import { query } from "../../test/tools/postgres.ts";
import { inParallel, KIB, MIB } from "../toolkit/bench.ts";
import { Client } from "./client.ts";
import type { Engine } from "./engines.ts";
import { fresh, makeImage, Repository } from "./registry.ts";
import { runLayerd } from "./run-layerd.ts";

/** What a command of layerd's costs. */
interface Spent {
  /** Of the command's process. */
  readonly processorSeconds: number;
  readonly statements: number;
  readonly roundTrips: number;
  readonly s3: number;
}

/** A thousand more of what a collection or a scrub meets. */
export interface UpkeepCost {
  readonly what: string;
  readonly processorSeconds: number;
  readonly statements: number;
  readonly roundTrips: number;
  readonly s3: number;
}

const AT_ONCE = 8;
const IMAGES = 1000;
const UNUSED = 1000;
const LARGE = 4;
// A config, a layer and the manifest.
const BLOBS = 3;
// Enough generations for no promise to hold.
const GENERATIONS = 5;

/**
 * The cost of more blobs, from what the same command costs with fewer and with more of them: what it costs to start
 * it is not among that.
 */
export async function measureUpkeep(engine: Engine, share = 1): Promise<UpkeepCost[]> {
  const images = Math.round(IMAGES * share);
  const unused = Math.round(UNUSED * share);
  const gc = () => command(engine, ["gc", "--gc-grace", engine.database === undefined ? "1ms" : "1h"]);
  const scrub = () => command(engine, ["scrub"]);
  await fill(engine, {});
  const noneScrubbed = await scrub();
  await fill(engine, { large: LARGE });
  const largeScrubbed = await scrub();
  await fill(engine, { images });
  const fewCollected = await gc();
  const fewScrubbed = await scrub();
  await fill(engine, { images });
  const moreCollected = await gc();
  const moreScrubbed = await scrub();
  await fill(engine, { unused });
  const withUnused = await gc();
  return [
    each("collection: blobs that stay", fewCollected, moreCollected, images * BLOBS),
    each("collection: blobs that go to the trash", moreCollected, withUnused, unused),
    each("scrub: small blobs", fewScrubbed, moreScrubbed, images * BLOBS),
    each("scrub: MiB of large blobs", noneScrubbed, largeScrubbed, LARGE * 64),
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
  for (let n = 0; n < large; n += 1) await to(n).pushQuickly(makeImage(1, 64 * MIB), `large-${n}`);
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
  const { processorSeconds } = await runLayerd([...args, ...engine.flags]);
  const postgres = engine.postgres?.take();
  return {
    processorSeconds,
    statements: postgres?.statements.length ?? 0,
    roundTrips: postgres?.roundTrips ?? 0,
    s3: engine.s3?.take().requests.length ?? 0,
  };
}

function each(what: string, few: Spent, more: Spent, count: number): UpkeepCost {
  const difference = (of: keyof Spent) => ((more[of] - few[of]) * 1000) / count;
  return {
    what,
    processorSeconds: difference("processorSeconds"),
    statements: difference("statements"),
    roundTrips: difference("roundTrips"),
    s3: difference("s3"),
  };
}
