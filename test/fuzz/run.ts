import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";

/*
 * node test/fuzz/run.ts [--count 1000000] [--seed N] [--memory]: the long version of fuzz.test.ts. Prints what was
 * answered, what was wrong, and what the server holds; the exit code is 1 when something was wrong.
 */
const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    memory: { type: "boolean", default: false },
  },
});

const ROUND = 20_000;
const data = await mkdtemp(join(tmpdir(), "layerd-fuzz-"));
const store = values.memory ? ["--memory"] : ["--data", data, "--durability", "os", "--gc-interval", "10s"];
const main = resolve(import.meta.dirname, "../../src/cli/main.ts");
const server = spawn(process.execPath, [main, "serve", "--port", "0", ...store, "--log-format", "json"], {
  stdio: ["ignore", "ignore", "pipe"],
});
let exited = false;
const ended = new Promise<void>((resolve) =>
  server.once("exit", () => {
    exited = true;
    resolve();
  }),
);
const port = await new Promise<number>((found, reject) => {
  let said = "";
  server.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    const match = /http:\/\/[\w.:]+:(\d+)/.exec(said);
    if (match !== null) found(Number(match[1]));
  });
  server.once("exit", () => reject(new Error(said)));
});

const totals = new Map<number, number>();
const faults: string[] = [];
for (let sent = 0, round = 0; sent < Number(values.count) && !exited; sent += ROUND, round += 1) {
  const count = Math.min(ROUND, Number(values.count) - sent);
  const findings = await fuzz(port, { seed: Number(values.seed) + round, count, connections: 16 });
  for (const [status, times] of findings.statuses) totals.set(status, (totals.get(status) ?? 0) + times);
  faults.push(...findings.faults);
  const status = await readFile(`/proc/${server.pid}/status`, "utf8");
  const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  const files = (await readdir(`/proc/${server.pid}/fd`)).length;
  process.stdout.write(
    `${sent + count} requests  ${resident.toFixed(0)} MB  ${files} descriptors  ${faults.length} faults\n`,
  );
}
process.stdout.write(`seed ${values.seed}: ${JSON.stringify(Object.fromEntries([...totals].sort()))}\n`);
for (const fault of faults.slice(0, 20)) process.stdout.write(`\n${fault}\n`);
if (exited) process.stdout.write("the server has ended\n");
process.exitCode = faults.length > 0 || exited ? 1 : 0;
server.kill("SIGTERM");
await ended;
await rm(data, { recursive: true, force: true });
