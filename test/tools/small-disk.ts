import { spawnSync } from "node:child_process";
import type { ExecutionContext } from "ava";
import { temporaryDirectory } from "./server.ts";
import { SKIPPED } from "./tools.ts";

/** A file system of its own, of so many bytes. `undefined` where mounting is not allowed. */
export async function smallDisk(t: ExecutionContext, size: number): Promise<string | undefined> {
  const path = await temporaryDirectory(t);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]);
  if (mounted.status === 0) {
    t.teardown(() => void spawnSync("umount", ["--lazy", path]));
    return path;
  }
  t.log(`${SKIPPED}mounting a file system needs the rights of root`);
  t.pass();
  return undefined;
}
