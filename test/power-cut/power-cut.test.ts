import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { blobPath } from "../../src/blobs/paths.ts";
import type { Digest } from "../../src/core/digest.ts";
import { Random } from "../tools/random.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { requireTool, SKIPPED } from "../tools/tools.ts";
import { type Cut, checkCuts, chooseCuts, DATA, Player, type Run } from "./cuts.ts";
import { History } from "./history.ts";
import { type Moments, UNSETTLED } from "./moments.ts";
import { mayTrace, RecordedServer } from "./recorded.ts";
import { LIBRARY, Workload } from "./workload.ts";

/*
 * The power goes. SIGKILL does not show what that does: the kernel still has everything. So what a server does to the
 * disk is recorded, and of many moments what a cut there may leave is made of that record; a server is started on it,
 * and asked for everything that clients had been told. POWER_CUTS=2000 tries so many.
 */

const CUTS = Number(process.env.POWER_CUTS ?? 30);
const CUTS_A_ROUND = 100;
// Milliseconds for which the first server has been busy with the last requests when it is killed.
const BUSY = 30;
const SETTINGS = ["--gc-interval", "1h", "--gc-grace", "1ms", "--scrub-rate", "0", "--min-free", "0"];

interface Parts {
  readonly t: ExecutionContext;
  readonly directory: string;
  readonly history: History;
  readonly random: Random;
  /** The calls behind which the first server may be killed. */
  readonly killing: Moments;
}

test("a power cut at any moment takes nothing that was told, and leaves nothing in the way", async (t) => {
  t.timeout(60_000 + CUTS * 1000);
  if (!requireTool(t, "strace")) return;
  if (!(await mayTrace())) {
    t.log(`${SKIPPED}tracing another process is not allowed here`);
    t.pass();
    return;
  }
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.log(`seed ${seed}`);
  const random = new Random(seed);
  const rounds = Math.ceil(CUTS / CUTS_A_ROUND);
  for (let at = 0; at < rounds; at += 1) {
    const directory = await temporaryDirectory(t);
    const killing = UNSETTLED[(seed + at) % UNSETTLED.length] as Moments;
    t.deepEqual(
      await round({ t, directory, random, killing, history: new History() }, Math.ceil(CUTS / rounds)),
      [],
    );
    await rm(directory, { recursive: true });
  }
});

async function round(parts: Parts, count: number): Promise<string[]> {
  const { directory, history, random } = parts;
  const first = await firstRun(parts);
  const second = await secondRun(parts, first);
  const cuts = chooseCuts([first, second], count, random);
  const real = cuts.filter((_, at) => at % Math.ceil(count / 3) === 1);
  const inProcess = (cut: Cut) => real.includes(cut);
  return await checkCuts([first, second], history, cuts, { directory, inProcess });
}

/** A server on a new data directory, killed while it is at work. */
async function firstRun({ t, directory, history, random }: Parts): Promise<Run> {
  const root = join(directory, "first");
  await mkdir(root);
  const files = { data: join(root, DATA), trace: join(directory, "first.trace") };
  const server = await RecordedServer.start(t, [...SETTINGS, "--trash-ttl", "1h"], files);
  const work = new Workload(server, { history, random, run: "first" });
  await work.everything();
  const answered = work.begin();
  await delay(BUSY);
  const recording = await server.end("SIGKILL", 1);
  await answered;
  work.close();
  return { ...recording, root, killedAt: 0 };
}

/**
 * Another one on what the first had done when it was killed, which the kernel has as it was and the disk only in
 * part. What it tells of that, a power cut must not take. Something has been damaged, besides.
 */
async function secondRun({ t, directory, history, random, killing }: Parts, first: Run): Promise<Run> {
  const moments = killing(first.calls).filter((call) => Number.isFinite(call.end));
  // In its second half: then there is much to be lost.
  const killedAt = random.pick(moments.slice(moments.length / 2)).end;
  history.learn(new Map([...first.told].filter(([, line]) => line <= killedAt)));
  const root = join(directory, "second");
  const player = new Player([first]);
  player.upTo(killedAt);
  await player.disk.leave(root, () => true);
  const damage = await damageSome(root, history, killedAt);
  const files = { data: join(root, DATA), trace: join(directory, "second.trace") };
  const server = await RecordedServer.start(t, [...SETTINGS, "--trash-ttl", "1ms"], files);
  const work = new Workload(server, { history, random, run: "second" });
  await work.look();
  await work.goOn();
  await work.heal(damage.item);
  await work.collect();
  await work.collect();
  work.close();
  const recording = await server.end("SIGTERM", first.end);
  history.learn(recording.told);
  return { ...recording, root, killedAt, damage };
}

/** Changes a byte of a small blob that has been told, on the disk. */
async function damageSome(root: string, history: History, line: number) {
  const small = history
    .all("blob")
    .filter(({ content }) => content !== undefined && content.bytes.length < 4000);
  const item = small.find(
    (one) => one.repository === LIBRARY && !history.allowed(one, line).includes(undefined),
  );
  if (item?.content === undefined) throw new Error("there is nothing to damage");
  const path = blobPath(DATA, item.id as Digest);
  const bytes = item.content.bytes.map((byte) => byte ^ 1) as Buffer;
  await writeFile(join(root, path), bytes);
  item.entries.push({ value: undefined, request: undefined });
  return { item, path, bytes: Buffer.from(bytes) };
}
