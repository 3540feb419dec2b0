import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { storedFiles } from "../tools/files.ts";
import { spawnServer } from "../tools/process.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { requireTool, SKIPPED } from "../tools/tools.ts";
import { losses, work } from "./workload.ts";

/*
 * The real server, whose system calls fail: the kernel is made to say so (strace -e inject). Each thread's n-th call of
 * a kind fails, and then every tenth.
 */

const CALLS = [
  ["pwritev", "ENOSPC"],
  ["pwritev", "EIO"],
  ["pwrite64", "ENOSPC"],
  ["pwrite64", "EIO"],
  ["fdatasync", "EIO"],
  ["fsync", "EIO"],
  ["rename", "EIO"],
  ["rename", "ENOSPC"],
  ["openat", "EMFILE"],
  ["openat", "EIO"],
  ["unlink", "EIO"],
  ["ftruncate", "EIO"],
  ["mkdir", "ENOSPC"],
  ["fchmod", "EIO"],
] as const;

/** `undefined` where one process may not trace another. */
async function makeFail(
  t: ExecutionContext,
  pid: number,
  call: string,
  error: string,
  from: number,
): Promise<ChildProcess | undefined> {
  const inject = `inject=${call}:error=${error}:when=${from}+10`;
  const options = ["-f", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject, "-p", String(pid)];
  const child = spawn("strace", options, { stdio: ["ignore", "ignore", "pipe"] });
  t.teardown(() => child.kill("SIGKILL"));
  const [said] = await Promise.race([once(child.stderr, "data"), once(child, "exit")]);
  return /attached/.test(String(said)) ? child : undefined;
}

for (const [at, [call, error]] of CALLS.entries()) {
  const from = 1 + (at % 2);
  test.serial(`${call} fails with ${error}, from call ${from}: what was acknowledged is there`, async (t) => {
    if (!requireTool(t, "strace")) return;
    const data = join(await temporaryDirectory(t), "data");
    const gc = ["--gc-interval", "100ms", "--gc-grace", "1h", "--trash-ttl", "1h"];
    const first = await spawnServer(t, ["--data", data, ...gc]);
    const before = await work(first.url, 1);
    t.deepEqual(before.failures, []);
    const strace = await makeFail(t, first.child.pid ?? 0, call, error, from);
    if (strace === undefined) {
      t.log(`${SKIPPED}tracing another process is not allowed here`);
      t.pass();
      return;
    }
    const during = await work(first.url, 2);
    // No answer, or one that says that it is our fault and that nobody knows why, is not what a full disk deserves.
    t.deepEqual(
      during.failures.filter((status) => status !== 503 && status !== 507),
      [],
    );
    strace.kill("SIGINT");
    await once(strace, "exit");
    t.is(first.child.exitCode, null);

    // It gets over it without a restart.
    const after = await work(first.url, 3);
    t.deepEqual(after.failures, []);
    await first.kill();
    const second = await spawnServer(t, ["--data", data]);
    // Later rounds have moved the tags of earlier ones.
    for (const round of [before, during]) round.tags.clear();
    for (const round of [before, during, after]) t.deepEqual(await losses(second.url, round), []);
    t.deepEqual(await storedFiles.wrong(data), []);
  });
}
