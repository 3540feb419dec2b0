import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { ExecutionContext } from "ava";

export interface ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Ends the process as a power cut would end it, as far as a process can tell. */
  kill(): Promise<void>;
  /** Asks it to end, and resolves with its exit code. */
  terminate(): Promise<number | null>;
}

/**
 * The real server in a process of its own, on a port that was free. Resolves when it answers.
 * Ended with the test.
 */
export async function spawnServer(t: ExecutionContext, args: readonly string[]): Promise<ServerProcess> {
  const starting = launchServer(args);
  t.teardown(() => starting.kill());
  return { ...starting, url: await starting.announced };
}

export interface StartingServer extends Omit<ServerProcess, "url"> {
  /** The address, when it answers. Rejects when it ends before. */
  readonly announced: Promise<string>;
}

/**
 * The same outside of a test: the caller kills it.
 * @param under a program that runs it, with its arguments; then that is the child
 */
export function launchServer(args: readonly string[], under: readonly string[] = []): StartingServer {
  const server = [process.execPath, "src/cli/main.ts", "serve", "--port", "0", "--log-format", "json"];
  const [command = "", ...rest] = [...under, ...server, ...args];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"], env: cleanEnvironment() });
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  return {
    child,
    announced: announcedUrl(child),
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    terminate: async () => {
      child.kill("SIGTERM");
      return await exited;
    },
  };
}

/** The banner and the log both name the address; whichever comes first. */
async function announcedUrl(child: ChildProcess): Promise<string> {
  const seen: string[] = [];
  return await new Promise((resolve, reject) => {
    const read = (line: string) => {
      seen.push(line);
      const found = /http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (found !== null) resolve(found[0]);
    };
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", read);
    }
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${seen.join("\n")}`)));
  });
}

/** The environment without settings of layerd's that a developer may have. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LAYERD_")));
}
