import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { ExecutionContext } from "ava";
import type { StoreOptions } from "../../../src/config.ts";
import { startServer, temporaryDirectory } from "../../tools/server.ts";
import { findTool, requireTool, type ToolName } from "../../tools/tools.ts";

export interface Outcome {
  /** `undefined` when a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A registry, and beside it a directory in which clients run that have everything of their own. */
export interface Workplace {
  readonly url: string;
  /** `127.0.0.1:PORT`: what the name of an image begins with. */
  readonly registry: string;
  /** Where the clients run: relative paths begin here. */
  readonly directory: string;
  /** Runs a client and returns what it printed. Rejects with its complaint when it fails. */
  run(tool: ToolName, args: readonly string[], input?: Buffer): Promise<string>;
  /** Runs a client that may fail. */
  attempt(tool: ToolName, args: readonly string[], input?: Buffer): Promise<Outcome>;
}

/** Everything for a test of these tools; `undefined` when one is missing, and then the test returns at once. */
export async function openWorkplace(
  t: ExecutionContext,
  tools: readonly ToolName[],
  config: StoreOptions = {},
): Promise<Workplace | undefined> {
  for (const tool of tools) if (!requireTool(t, tool)) return undefined;
  const directory = await temporaryDirectory(t);
  const environment = await makeHome(directory);
  const { url, port } = await startServer(t, config);
  const attempt = (tool: ToolName, args: readonly string[], input: Buffer = Buffer.alloc(0)) =>
    runProgram(findTool(tool) ?? tool, args, { cwd: directory, env: environment, input });
  return {
    url,
    registry: `127.0.0.1:${port}`,
    directory,
    attempt,
    run: async (tool, args, input) => {
      const { code, stdout, stderr } = await attempt(tool, args, input);
      if (code !== 0) throw new Error(`${tool} ${args.join(" ")} ended with ${code}: ${stderr}`);
      return stdout.toString();
    },
  };
}

/** What clients keep and read stays in the directory: logins, caches, policies, images, keys. */
async function makeHome(directory: string): Promise<NodeJS.ProcessEnv> {
  const [home, runtime, temporary] = ["home", "run", "tmp"].map((name) => join(directory, name));
  const policies = join(directory, "home", ".config", "containers");
  for (const path of [policies, join(directory, "run"), join(directory, "tmp")]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  }
  const trustAll = { default: [{ type: "insecureAcceptAnything" }] };
  await writeFile(join(policies, "policy.json"), JSON.stringify(trustAll));
  return {
    PATH: process.env.PATH,
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    TMPDIR: temporary,
    COSIGN_PASSWORD: "for a test",
  };
}

interface Surroundings {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly input: Buffer;
}

async function runProgram(path: string, args: readonly string[], around: Surroundings): Promise<Outcome> {
  const child = spawn(path, args, { cwd: around.cwd, env: around.env });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", reject);
  });
  // A client that does not want its input may close it.
  child.stdin.on("error", () => undefined);
  child.stdin.end(around.input);
  const [code, stdout, stderr] = await Promise.all([ended, buffer(child.stdout), buffer(child.stderr)]);
  return { code: code ?? undefined, stdout, stderr: stderr.toString() };
}
