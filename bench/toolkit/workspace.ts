import { mkdtemp, rm, statfs } from "node:fs/promises";
import { join } from "node:path";

/** A directory of its own below `parent`, removed with all that is in it when disposed of. */
export async function makeWorkspace(parent: string): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(parent, "layerd-bench-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Bytes that are free at `path`; 0 when there is nothing. */
export async function freeSpace(path: string): Promise<number> {
  const stats = await statfs(path).catch(() => undefined);
  return stats === undefined ? 0 : stats.bavail * stats.bsize;
}
