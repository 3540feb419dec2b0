import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";

const CALLS = ["fsync", "fdatasync", "rename"] as const;

/** Calls of the kernel that make files durable. */
export type SystemCalls = Readonly<Record<(typeof CALLS)[number], number>>;

export interface SystemCallMeter extends AsyncDisposable {
  /** What was called since it was last taken. */
  take(): Promise<SystemCalls>;
}

/**
 * Counts what a process calls, by strace, which writes each call to the file as it ends.
 * @throws when one process may not trace another here
 */
export async function traceSystemCalls(pid: number, file: string): Promise<SystemCallMeter> {
  const options = ["-f", "-o", file, "-e", `trace=${CALLS.join(",")}`, "-p", String(pid)];
  const child = spawn("strace", options, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  const [said] = await Promise.race([once(child.stderr, "data"), exited]);
  if (!/attached/.test(String(said))) throw new Error(`strace: ${said}`);
  child.stderr.resume();
  let read = 0;
  return {
    take: async () => {
      const text = (await readFile(file, "utf8")).slice(read);
      read += text.length;
      const count = (call: string) => text.match(new RegExp(` ${call}\\(`, "g"))?.length ?? 0;
      return Object.fromEntries(CALLS.map((call) => [call, count(call)])) as SystemCalls;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGINT");
      await exited;
    },
  };
}
