import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import test from "ava";
import { openLogWriter } from "../../src/cli/log-writer.ts";
import { cleanEnvironment } from "../tools/process.ts";
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

// Its only thread is busy when the lines come, so that they are on their way when the process has to end.
const DYING = `
  import { pbkdf2 } from "node:crypto";
  import { openLog } from "./src/cli/log.ts";
  import { onFatal, stopSignal } from "./src/cli/process.ts";
  const log = openLog({ logLevel: "info", logFormat: "json" });
  onFatal(log);
  stopSignal(log);
  pbkdf2("password", "salt", 20_000, 64, "sha512", () => undefined);
  for (let n = 0; n < 2000; n += 1) log.logger.info({ n }, "x".repeat(100));
  for (let n = 2000; n < 2010; n += 1) log.logger.info({ n });
`;

const ENDS = {
  "an error that nobody caught": 'throw new Error("unexpected");',
  "a second signal": `
    process.once("SIGTERM", () => setImmediate(() => process.kill(process.pid, "SIGTERM")));
    process.kill(process.pid, "SIGTERM");
    setTimeout(() => {}, 60_000);
  `,
};

for (const [what, end] of Object.entries(ENDS)) {
  test(`${what} ends the process behind the last line, and none is lost or out of its order`, async (t) => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", DYING + end], {
      env: { ...cleanEnvironment(), UV_THREADPOOL_SIZE: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.teardown(() => child.kill("SIGKILL"));
    const exited = once(child, "exit");
    const lines = (await text(child.stdout)).trim().split("\n");
    const numbers = lines.flatMap((line) => JSON.parse(line).n ?? []);
    t.deepEqual(
      numbers,
      Array.from({ length: 2010 }, (_, n) => n),
    );
    t.deepEqual(await exited, [1, null]);
  });
}
