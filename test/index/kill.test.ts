import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "ava";
import { openJournalIndex } from "../../src/index/journal.ts";
import { digest, LIBRARY, TestLog, temporaryDirectory } from "./samples.ts";

/** Runs a writer, kills it after so many acknowledged changes, and returns their numbers. */
async function writeAndKill(directory: string, first: number, count: number): Promise<number[]> {
  const script = join(import.meta.dirname, "writer.ts");
  const child = spawn(process.execPath, [script, directory, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const acknowledged: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line));
    if (acknowledged.length === count) child.kill("SIGKILL");
  }
  return acknowledged;
}

test("what a process was told is stored is found after kill -9, again and again", async (t) => {
  const directory = await temporaryDirectory(t);
  const log = new TestLog();
  const acknowledged: number[] = [];
  for (const count of [1, 300, 900, 700]) {
    acknowledged.push(...(await writeAndKill(directory, Math.max(-1, ...acknowledged) + 1000, count)));
    const index = await openJournalIndex({ directory, durability: "full", log });
    const lost: number[] = [];
    for (const number of acknowledged) {
      if ((await index.blob(LIBRARY, digest(number))) === undefined) lost.push(number);
    }
    await index.close();
    t.deepEqual(lost, []);
  }
  t.deepEqual(log.errors, []);
});
