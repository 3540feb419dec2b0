import { hasDirectory, isShared, type ServerConfig, storeConfigOf } from "../../config.ts";
import { createLayerd, type Registry, type Source, type Stay, type Verdict } from "../../create.ts";
import { DataDirectoryInUseError, openDataDirectory } from "../../data-directory.ts";
import { StartError } from "../failures.ts";
import { ask, Unreachable } from "./ask.ts";
import { controlPath } from "./control.ts";
import { type Operations, operationsOf } from "./operations.ts";
import { remoteSource } from "./remote-source.ts";

/** Works on a store: in this process, or through the server that has it for itself. */
export async function withOperations<T>(
  config: ServerConfig,
  work: (operations: Operations) => Promise<T>,
): Promise<T> {
  requireLasting(config);
  if (isShared(config)) return await withStore(config, (registry) => work(operationsOf(registry, false)));
  const path = controlPath(config.data);
  try {
    if (path !== undefined) return await work(remote(path));
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
  }
  return await withStore(config, (registry) => work(operationsOf(registry, true)));
}

/**
 * Reads a store: through the server that has it open, which goes on, or, when none has, in this process. Which of
 * them is decided once: a server that is being started again must find the store free.
 */
export async function withSource<T>(config: ServerConfig, work: (source: Source) => Promise<T>): Promise<T> {
  requireLasting(config);
  const path = isShared(config) ? undefined : controlPath(config.data);
  const source = path === undefined ? undefined : await reached(remoteSource(path));
  return source ? await work(source) : await withStore(config, (registry) => work(registry.source));
}

/** `undefined` when nobody listens. */
async function reached(source: Source): Promise<Source | undefined> {
  try {
    await source.repositories({ limit: 1 });
    return source;
  } catch (error) {
    if (error instanceof Unreachable) return undefined;
    throw error;
  }
}

/** Works on a store that nobody else has open; `why` is the sentence for when somebody has. */
export async function withClosedStore<T>(
  config: ServerConfig,
  why: string,
  work: (registry: Registry) => Promise<T>,
): Promise<T> {
  requireLasting(config);
  try {
    if (isShared(config) && hasDirectory(config)) await requireUnused(config);
    return await withStore(config, work);
  } catch (error) {
    if (!(error instanceof DataDirectoryInUseError)) throw error;
    throw new StartError(`${why}, and ${error.message}: stop that first`);
  }
}

/** Of those that may be shared, whoever opens one lets others in: that nobody is there can only be asked before. */
async function requireUnused({ data: path, durability }: ServerConfig): Promise<void> {
  const directory = await openDataDirectory({ path, durability });
  await directory.close();
}

function requireLasting(config: ServerConfig): void {
  if (config.memory) throw new StartError("a store in memory lives in its server alone");
}

async function withStore<T>(config: ServerConfig, work: (registry: Registry) => Promise<T>): Promise<T> {
  // Nothing happens in the background.
  const layerd = await createLayerd({ ...storeConfigOf(config), gc: false, scrubRate: 0 });
  try {
    return await work(layerd.registry);
  } finally {
    await layerd.close();
  }
}

function remote(socketPath: string): Operations {
  return {
    collect: ({ dryRun, report, stays }) =>
      ask(socketPath, "/gc", { dryRun, verbose: stays !== undefined }, (item) => {
        const said = item as Verdict | Stay;
        if (said.what === "stays") void stays?.(said);
        else report(said);
      }) as never,
    trash: async (report) => {
      await ask(socketPath, "/trash", {}, (item) => {
        const { discardedAt, ...rest } = item as { discardedAt: string };
        report({ ...rest, discardedAt: new Date(discardedAt) } as never);
      });
    },
    why: (digest) => ask(socketPath, "/why", { digest }, () => undefined) as never,
    scrub: ({ rate, report, progress }) =>
      ask(socketPath, "/scrub", { rate, progress: progress !== undefined }, (item) => {
        const { rot, progress: made } = item as { rot?: never; progress?: never };
        if (rot !== undefined) report(rot);
        if (made !== undefined) progress?.(made);
      }) as never,
    check: (report) => ask(socketPath, "/check", {}, report as never) as never,
    restore: (digest, to) => ask(socketPath, "/restore", { digest, ...to }, () => undefined) as never,
    source: remoteSource(socketPath),
  };
}
