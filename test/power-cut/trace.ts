/*
 * What strace writes of a server (-f -xx: a line a call, of each thread; strings in hexadecimal), as calls with a
 * beginning and an end. A call takes effect somewhere between the two; one that has ended before another one began
 * has come before it.
 */

/** The calls that change what is on a disk or say what is answered. */
export const CALLS = [
  ...["openat", "close", "write", "writev", "pwrite64", "pwritev", "ftruncate", "fsync", "fdatasync"],
  ...["rename", "mkdir", "unlink", "fchmod", "chmod"],
  // Nothing does these now. Were something to begin with them, the model would not know, and says so.
  ...["link", "linkat", "symlink", "symlinkat", "renameat", "renameat2", "mkdirat", "unlinkat", "rmdir"],
  ...["truncate", "fallocate", "copy_file_range", "pwritev2"],
] as const;

export type CallName = (typeof CALLS)[number];

export interface Call {
  readonly name: CallName;
  /** Its arguments as strace writes them. */
  readonly args: string;
  /** Lines of the trace, counted over all runs of a server; an end that nobody has seen is infinite. */
  readonly start: number;
  readonly end: number;
  /** What the kernel answered; `undefined` when the process was killed meanwhile. */
  readonly result: number | undefined;
}

const LINE = /^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$/;
const UNFINISHED = " <unfinished ...>";
const RESULT = /\) += (-?\d+|\?)/;

/** The calls of a trace that did not fail, in the order of their beginnings. @param first number of the first line. */
export function readTrace(text: string, first: number): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<
    string,
    { readonly name: string; readonly args: string; readonly start: number }
  >();
  for (const [at, line] of text.split("\n").entries()) {
    const [, thread = "", resumed, begun, rest = ""] = LINE.exec(line) ?? [];
    if (resumed === undefined && begun === undefined) continue;
    const known = resumed === undefined ? undefined : unfinished.get(thread);
    const { name, args, start } = known ?? { name: begun ?? "", args: "", start: first + at };
    unfinished.delete(thread);
    if (rest.endsWith(UNFINISHED)) {
      unfinished.set(thread, { name, args: rest.slice(0, -UNFINISHED.length), start });
      continue;
    }
    const result = lastResult(rest);
    if (result === undefined || result >= 0)
      calls.push({
        name: name as CallName,
        args: args + rest,
        start,
        end: endOf(result, first + at),
        result,
      });
  }
  for (const { name, args, start } of unfinished.values())
    calls.push({ name: name as CallName, args, start, end: Number.POSITIVE_INFINITY, result: undefined });
  return calls.sort((a, b) => a.start - b.start);
}

function endOf(result: number | undefined, at: number): number {
  return result === undefined ? Number.POSITIVE_INFINITY : at;
}

/** `undefined` for `?`, which stands where the process has died. */
function lastResult(rest: string): number | undefined {
  const found = RESULT.exec(rest.slice(-200))?.[1];
  return found === undefined || found === "?" ? undefined : Number(found);
}

const STRINGS = /"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g;

/** The strings among the arguments of a call. */
export function stringsOf({ name, args }: Call): Buffer[] {
  return [...args.matchAll(STRINGS)].map(([, hex = "", more]) => {
    if (more !== undefined) throw new Error(`strace has left out a part of what was given to ${name}`);
    return Buffer.from(hex.replaceAll("\\x", ""), "hex");
  });
}

/** The numbers at the end of the arguments, the last one last: an offset, a mode. */
export function lastNumber({ args }: Call): number {
  const found = /, (\d+)(?:\)|$)/.exec(args.slice(-200));
  return Number(found?.[1]);
}

/** The descriptor that is the first argument. */
export function descriptorOf({ args }: Call): number {
  return Number.parseInt(args, 10);
}
