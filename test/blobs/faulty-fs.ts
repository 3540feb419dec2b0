import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import type { ExecutionContext } from "ava";

type Callback = (error: Error | null, ...results: unknown[]) => void;

/** What stands in for a function of `node:fs`: may call the real one. */
export type Fault = (real: (...args: unknown[]) => void, args: readonly unknown[], done: Callback) => void;

/**
 * Puts a fault in place of a function of `node:fs` that takes a callback, in this thread, until the test ends or
 * the returned function is called. Tests that use it run one at a time.
 */
export function injectFault(
  t: ExecutionContext,
  name: "writev" | "fdatasync" | "fsync" | "open" | "rename",
  fault: Fault,
): () => void {
  const functions = fs as unknown as Record<string, (...args: unknown[]) => void>;
  const real = functions[name];
  if (real === undefined) throw new Error(`node:fs has no ${name}`);
  functions[name] = (...args) => fault(real, args.slice(0, -1), args.at(-1) as Callback);
  syncBuiltinESMExports();
  const restore = () => {
    functions[name] = real;
    syncBuiltinESMExports();
  };
  t.teardown(restore);
  return restore;
}

export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: as injected`), { code });
}
