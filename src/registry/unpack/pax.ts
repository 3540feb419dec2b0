import { TarProblem } from "./tar-header.ts";

const CHECKS: ReadonlyMap<string, (value: string) => boolean> = new Map([
  ["size", isInteger],
  ["uid", isInteger],
  ["gid", isInteger],
  ["atime", isTime],
  ["ctime", isTime],
  ["mtime", isTime],
  ["path", isText],
  ["linkpath", isText],
  ["uname", isText],
  ["gname", isText],
]);

/**
 * The records of a pax extended header: `length key=value\n` each (POSIX.1-2017 pax §pax Extended Header).
 * Text is read as Latin-1, because lengths count bytes.
 * @throws TarProblem
 */
export function readPaxRecords(body: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  let rest = body.toString("latin1");
  while (rest.length > 0) {
    const { key, value, length } = cutRecord(rest);
    records.set(key, value);
    rest = rest.slice(length);
  }
  return records;
}

/**
 * Whether the values that are about the entry itself can be used for it.
 * @throws TarProblem
 */
export function checkPaxValues(records: ReadonlyMap<string, string>): void {
  for (const [key, value] of records) {
    // An empty value stands for the one in the header itself.
    if (value !== "" && CHECKS.get(key)?.(value) === false) {
      throw new TarProblem(`has a pax header with a malformed ${key}`);
    }
  }
}

function cutRecord(text: string): { key: string; value: string; length: number } {
  const digits = /^\+?(\d+) /.exec(text);
  const start = digits?.[0].length ?? 0;
  const length = Number(digits?.[1]);
  const equals = text.indexOf("=", start);
  const whole = length <= text.length && text[length - 1] === "\n" && equals < length - 1;
  const key = text.slice(start, equals);
  if (!whole || equals <= start || key.includes("\0")) {
    throw new TarProblem("has a pax header with a malformed record");
  }
  return { key, value: text.slice(equals + 1, length - 1), length };
}

function isInteger(text: string): boolean {
  return /^[+-]?\d{1,30}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}

function isTime(text: string): boolean {
  const seconds = text.split(".", 1)[0] ?? "";
  return isInteger(seconds) && /^(?:\.\d*)?$/.test(text.slice(seconds.length));
}

function isText(text: string): boolean {
  return !text.includes("\0");
}
