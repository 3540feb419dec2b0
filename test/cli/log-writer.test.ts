import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { openLogWriter } from "../../src/cli/log-writer.ts";
import { temporaryDirectory } from "../tools/server.ts";

test("every line is written, in order, however many come at once", async (t) => {
  const path = join(await temporaryDirectory(t), "log");
  const file = await open(path, "w");
  t.teardown(() => file.close());
  const log = openLogWriter(file.fd);
  const lines = Array.from({ length: 20_000 }, (_, n) => `{"n":${n},"text":"é"}\n`);
  for (const [n, line] of lines.entries()) {
    log.write(line);
    if (n % 5000 === 0) await new Promise(setImmediate);
  }
  await log.drain();
  t.is(await readFile(path, "utf8"), lines.join(""));
});

test("a line that stays alone is written too", async (t) => {
  const path = join(await temporaryDirectory(t), "log");
  const file = await open(path, "w");
  t.teardown(() => file.close());
  const log = openLogWriter(file.fd);
  log.write("alone\n");
  while ((await readFile(path, "utf8")) === "") await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(await readFile(path, "utf8"), "alone\n");
});

test("what cannot be written is given up", async (t) => {
  // Every write to it fails with ENOSPC.
  const full = await open("/dev/full", "w").catch(() => undefined);
  if (full === undefined) {
    t.pass("this system has no /dev/full");
    return;
  }
  t.teardown(() => full.close());
  const log = openLogWriter(full.fd);
  for (let n = 0; n < 10; n += 1) log.write("x".repeat(10_000));
  await t.notThrowsAsync(log.drain());
});
