import { createHash } from "node:crypto";
import { accessSync, constants, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import type { ExecutionContext } from "ava";

/** External programs that tests call, and the Debian package that brings each (see .ci/packages). */
export const PACKAGES = {
  aria2c: "aria2",
  buildah: "buildah",
  busybox: "busybox-static",
  curl: "curl",
  gzip: "gzip",
  nginx: "nginx-light",
  openssl: "openssl",
  skopeo: "skopeo",
  strace: "strace",
  tar: "tar",
  wget: "wget",
  wrk: "wrk",
  xz: "xz-utils",
  zstd: "zstd",
} as const;

/** Those that .ci/setup builds with Go, from the modules and versions in .ci/go-tools. */
export const GO_TOOLS = ["cosign", "crane", "helm", "oras", "regctl", "versitygw"] as const;

type PackagedTool = keyof typeof PACKAGES;
type GoTool = (typeof GO_TOOLS)[number];

export type ToolName = PackagedTool | GoTool;

/** Begins the log line by which the runner knows a test that could not do its work. */
export const SKIPPED = "SKIPPED: ";

const goTools = readFileSync(resolve(import.meta.dirname, "../../.ci/go-tools"), "utf8");

/**
 * Whether a program is there. When it is not, the test counts as skipped and says how to get the program;
 * with `CI=true`, where everything has been installed, it fails. The test returns at once on `false`.
 */
export function requireTool(t: ExecutionContext, name: ToolName): boolean {
  if (findTool(name) !== undefined) return true;
  const sentence = `${name} is missing: ${howToGet(name)}`;
  if (process.env.CI === "true") {
    t.fail(sentence);
  } else {
    t.log(`${SKIPPED}${sentence}`);
    t.pass();
  }
  return false;
}

function howToGet(name: ToolName): string {
  return isPackaged(name)
    ? `apt-get install ${PACKAGES[name]}`
    : `run .ci/setup, or go install ${goModule(name)}`;
}

function isPackaged(name: ToolName): name is PackagedTool {
  return name in PACKAGES;
}

/** Where a program comes from, as `go install` takes it: `module@version`. */
export function goModule(name: GoTool): string | undefined {
  return goTools.split("\n").find((line) => line.includes(`/${name}@`));
}

/**
 * The program's path: what .ci/setup built, else what is on PATH. Servers are looked for where they are
 * installed, too: not everybody's PATH says so.
 */
export function findTool(name: ToolName): string | undefined {
  const path = (process.env.PATH ?? "").split(delimiter);
  const directories = [goToolsDirectory(), ...path, "/usr/sbin", "/usr/local/sbin"];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

/** Named after the list's content, as in .ci/setup. */
function goToolsDirectory(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const hash = createHash("sha256").update(goTools).digest("hex");
  return join(cache, "layerd-tools", `bin-${hash.slice(0, 12)}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
