import { type Outcome, run } from "./command.ts";

export interface Tool {
  readonly command: string;
  readonly version: string;
}

export type ToolName = "curl" | "wrk" | "nginx" | "registry" | "versitygw";
export type Tools = { readonly [name in ToolName]: Tool | undefined };

const VERSION_FLAG: Readonly<Record<ToolName, string>> = {
  curl: "--version",
  wrk: "-v",
  nginx: "-v",
  registry: "--version",
  versitygw: "--version",
};

/** How to get what is missing, one sentence a tool. */
export const HOW_TO_GET: Readonly<Record<ToolName, string>> = {
  curl: "curl is not here: apt-get install curl.",
  wrk: "wrk is not here: apt-get install wrk.",
  nginx: "nginx is not here: apt-get install nginx-light, or say where it is with --nginx FILE.",
  registry:
    "the CNCF registry is not here: go install github.com/distribution/distribution/v3/cmd/registry@latest, " +
    "and say where it is with --registry FILE.",
  versitygw: "versitygw is not here: run .ci/setup, or say where it is with --versitygw FILE.",
};

/** Looks for every tool and asks its version. `commands` holds the names or paths to try, in order. */
export async function findTools(commands: Readonly<Record<ToolName, readonly string[]>>): Promise<Tools> {
  const names = Object.keys(commands) as ToolName[];
  const found = names.map(
    async (name) => [name, await findTool(commands[name], VERSION_FLAG[name])] as const,
  );
  return Object.fromEntries(await Promise.all(found)) as Tools;
}

async function findTool(commands: readonly string[], flag: string): Promise<Tool | undefined> {
  for (const command of commands) {
    const outcome = await run(command, [flag]).catch(() => undefined);
    if (outcome !== undefined) return { command, version: versionIn(outcome) };
  }
  return undefined;
}

// nginx tells its version on standard error; wrk does it on the way to a usage error.
function versionIn({ stdout, stderr }: Outcome): string {
  const [line = ""] = (stdout.trim() || stderr.trim()).split("\n");
  return /\bv?\d+\.\d+[\w.+~-]*/.exec(line)?.[0] ?? line;
}
