import { randomInt } from "node:crypto";
import { join } from "node:path";
import test from "ava";
import { temporaryDirectory } from "../tools/server.ts";
import { CrashRun } from "./harness.ts";

/* A short run of what `node test/crash/run.ts` does for as long as one likes. */

test("a server that is killed under load again and again loses nothing, shows nothing partial, leaks nothing", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const seed = randomInt(1_000_000);
  t.log(`seed ${seed}`);
  const run = new CrashRun({ data, seed, kills: 10, time: 12_000, clients: 6 });
  await t.notThrowsAsync(run.run());
  t.true(run.summary.kills > 0 && run.summary.operations > 0);
});
