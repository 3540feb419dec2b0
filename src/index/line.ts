import { crc32 } from "node:zlib";
import type { RecordedChange } from "./port.ts";

/** A transaction as it stands in the journal. */
export interface Line {
  /** Counts the transactions of a repository, from 1, without gaps. */
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
  readonly who: string;
  readonly changes: readonly RecordedChange[];
}

const SUM_LENGTH = ',"sum":"01234567"}'.length;

/** JSON of one line whose last member, `sum`, is the CRC-32 (hex) of all that stands before it. */
export function seal(value: object): string {
  const body = JSON.stringify(value).slice(0, -1);
  return body + sumOf(body);
}

/** The value that was sealed; `undefined` when these are not the bytes that were written. */
export function unseal(line: Buffer): Record<string, unknown> | undefined {
  const body = line.length - SUM_LENGTH;
  if (body <= 0 || line.toString("latin1", body) !== sumOf(line.subarray(0, body))) return undefined;
  try {
    return JSON.parse(line.toString());
  } catch {
    return undefined;
  }
}

function sumOf(body: string | Buffer): string {
  return `,"sum":"${crc32(body).toString(16).padStart(8, "0")}"}`;
}

export function encodeLine({ seq, at, who, changes }: Line): string {
  return `${seal({ seq, at, who, changes })}\n`;
}

// A checksum that fits does not make a line of a later version one that can be folded.
const FOLDABLE: Readonly<Record<RecordedChange["type"], true>> = {
  blobLinked: true,
  blobUnlinked: true,
  blobUnpacked: true,
  manifestPut: true,
  manifestDeleted: true,
  tagSet: true,
  tagDeleted: true,
};

/** `undefined` when it is not a line that this version wrote. */
export function decodeLine(bytes: Buffer): Line | undefined {
  const line = unseal(bytes);
  return line !== undefined && isLine(line) ? line : undefined;
}

function isLine(line: Record<string, unknown>): line is Record<string, unknown> & Line {
  const { seq, at, changes } = line;
  if (!Number.isSafeInteger(seq) || typeof at !== "string" || !Array.isArray(changes)) return false;
  return changes.every((change) => Object.hasOwn(FOLDABLE, change?.type));
}
