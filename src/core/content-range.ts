import { LayerdError } from "./errors.ts";

/** The part of a representation that a request carries: bytes `first` to `last`, both inclusive. */
export interface ContentRange {
  readonly first: number;
  readonly last: number;
  /** Bytes of the whole; `undefined` when the sender does not know yet (`*`). */
  readonly total: number | undefined;
}

const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i;

/**
 * Reads `Content-Range: bytes first-last/total` (RFC 9110 §14.4), as `curl -C OFFSET -T FILE` sends it.
 * @throws REQUEST_INVALID
 */
export function parseContentRange(value: string): ContentRange {
  const match = CONTENT_RANGE.exec(value.trim());
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  const total = match?.[3] === "*" ? undefined : Number(match?.[3]);
  if (match !== null && first <= last && (total === undefined || last < total)) return { first, last, total };
  throw new LayerdError("REQUEST_INVALID", `not a Content-Range: ${JSON.stringify(value.slice(0, 100))}`, {
    detail: { expected: "bytes FIRST-LAST/TOTAL, both inclusive, counted from 0" },
  });
}
