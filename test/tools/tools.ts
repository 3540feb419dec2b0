import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { ExecutionContext } from "ava";

/** External programs that tests call, and the Debian package that brings each (see .ci/packages). */
const PACKAGES = {
  aria2c: "aria2",
  curl: "curl",
  gzip: "gzip",
  nginx: "nginx-light",
  tar: "tar",
  wget: "wget",
  wrk: "wrk",
  xz: "xz-utils",
  zstd: "zstd",
} as const;

export type ToolName = keyof typeof PACKAGES;

/** Begins the log line by which the runner knows a test that could not do its work. */
export const SKIPPED = "SKIPPED: ";

/**
 * Whether a program is there. When it is not, the test counts as skipped and says how to get the program;
 * with `CI=true`, where everything has been installed, it fails. The test returns at once on `false`.
 */
export function requireTool(t: ExecutionContext, name: ToolName): boolean {
  if (findTool(name) !== undefined) return true;
  const sentence = `${name} is missing: apt-get install ${PACKAGES[name]}`;
  if (process.env.CI === "true") {
    t.fail(sentence);
  } else {
    t.log(`${SKIPPED}${sentence}`);
    t.pass();
  }
  return false;
}

/** The program's path. Servers are looked for where they are installed, too: not everybody's PATH says so. */
export function findTool(name: ToolName): string | undefined {
  const directories = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
