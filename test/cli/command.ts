import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import type { ExecutionContext } from "ava";
import { cleanEnvironment } from "../tools/process.ts";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Node's own flags. */
  readonly node?: readonly string[];
  readonly cwd?: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Finished>;
  /** What it has written so far. */
  written(stream: "stdout" | "stderr"): string;
  /** Resolves with the first match in what has been written so far, or will be. Rejects when the process ends. */
  saw(stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray>;
}

/** Starts `layerd ARGS…` in a process of its own, ended with the test. Its output is no terminal. */
export function start(t: ExecutionContext, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [...(options.node ?? []), MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...cleanEnvironment(), ...options.env },
    cwd: options.cwd,
  });
  const output = { stdout: "", stderr: "" };
  const changed = new EventTarget();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
      changed.dispatchEvent(new Event("more"));
    });
  }
  const ended = new Promise<Finished>((done) => child.once("close", (code) => done({ code, ...output })));
  t.teardown(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const saw: Running["saw"] = (stream, pattern) =>
    new Promise((found, reject) => {
      const look = () => {
        const match = pattern.exec(output[stream]);
        if (match !== null) found(match);
      };
      changed.addEventListener("more", look);
      look();
      ended.then((finished) => reject(new Error(`ended without ${pattern}: ${JSON.stringify(finished)}`)));
    });
  return { child, ended, saw, written: (stream) => output[stream] };
}

/** Runs `layerd ARGS…` until it ends. */
export function run(
  t: ExecutionContext,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  return start(t, args, options).ended;
}

/** `layerd serve` on a free port; resolves with its address when it listens. */
export async function serve(
  t: ExecutionContext,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Running & { readonly url: string; readonly port: number }> {
  const running = start(t, ["serve", "--port", "0", ...args], options);
  const [url, port] = await running.saw("stderr", /https?:\/\/[\w.:[\]]+:(\d+)/);
  return { ...running, url, port: Number(port) };
}
