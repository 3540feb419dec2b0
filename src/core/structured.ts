import type { DigestAlgorithm } from "./digest.ts";
import { LayerdError } from "./errors.ts";

/*
 * The part of Structured Field Values (RFC 9651) that layerd reads. The grammar is strict: the RFC (§4.2) wants
 * a field that does not parse to fail as a whole. Parameters are checked and ignored, as it wants of those that
 * a field does not define.
 */

const KEY = "[a-z*][a-z0-9_.*-]*";
const BARE_ITEM = [
  String.raw`-?\d{1,12}\.\d{1,3}`, // decimal
  String.raw`@?-?\d{1,15}`, // integer, date
  String.raw`"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"`, // string
  String.raw`%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"`, // display string
  "[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*", // token
  ":(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?:", // byte sequence
  String.raw`\?[01]`, // boolean
].join("|");
const PARAMETERS = `(?:; *${KEY}(?:=(?:${BARE_ITEM}))?)*`;
const INNER_ITEM = `(?:${BARE_ITEM})${PARAMETERS}`;
const INNER_LIST = String.raw`\( *(?:${INNER_ITEM}(?: +${INNER_ITEM})* *)?\)`;

const BOOLEAN = new RegExp(String.raw`^ *\?([01])${PARAMETERS} *$`);
const INTEGER = new RegExp(String.raw`^ *(-?\d{1,15})${PARAMETERS} *$`);
const MEMBER = new RegExp(`^(${KEY})(?:=(${BARE_ITEM}|${INNER_LIST}))?${PARAMETERS}`);
const COMMA = /^[\t ]*,[\t ]*/;
const END = /^ *$/;

/** `?1` or `?0` (RFC 9651 §3.3.6). @throws REQUEST_INVALID that names `field`. */
export function parseBooleanItem(value: string, field = "the field"): boolean {
  const bit = BOOLEAN.exec(value)?.[1];
  if (bit === undefined) throw malformed(field, value, "?1 or ?0");
  return bit === "1";
}

/** An integer of at most 15 digits (RFC 9651 §3.3.1). @throws REQUEST_INVALID that names `field`. */
export function parseIntegerItem(value: string, field = "the field"): number {
  const digits = INTEGER.exec(value)?.[1];
  if (digits === undefined) throw malformed(field, value, "a whole number of at most 15 digits");
  // "-0" is a legal way to write 0.
  return Number(digits) + 0;
}

const DIGEST_KEYS = {
  "sha-256": { algorithm: "sha256", length: 32 },
  "sha-512": { algorithm: "sha512", length: 64 },
} as const satisfies Record<string, { algorithm: DigestAlgorithm; length: number }>;

/**
 * `Content-Digest` and `Repr-Digest` (RFC 9530 §2 and §3), such as `sha-256=:base64:`. Algorithms that are not
 * known are ignored, so the result may be empty.
 * @throws REQUEST_INVALID that names `field`.
 */
export function parseDigestFields(value: string, field = "the digest field"): Map<DigestAlgorithm, Buffer> {
  const digests = new Map<DigestAlgorithm, Buffer>();
  for (const [key, item] of parseDictionary(value, field)) {
    if (!isDigestKey(key)) continue;
    const { algorithm, length } = DIGEST_KEYS[key];
    const bytes = byteSequence(item);
    if (bytes?.length !== length) throw malformed(field, value, `${key}=:<base64 of ${length} bytes>:`);
    digests.set(algorithm, bytes);
  }
  return digests;
}

function isDigestKey(key: string): key is keyof typeof DIGEST_KEYS {
  return Object.hasOwn(DIGEST_KEYS, key);
}

/** RFC 9651 §4.2.7. Padding may be missing; the grammar has seen to the rest. */
function byteSequence(item: string | undefined): Buffer | undefined {
  return item?.startsWith(":") ? Buffer.from(item.slice(1, -1), "base64") : undefined;
}

/** Keys and the text of their values (RFC 9651 §4.2.2); of a key given twice the last one counts. */
function parseDictionary(value: string, field: string): Map<string, string | undefined> {
  const members = new Map<string, string | undefined>();
  let rest = value.replace(/^ +/, "");
  while (rest !== "") {
    const [member, key, item] = MEMBER.exec(rest) ?? [];
    if (member === undefined || key === undefined)
      throw malformed(field, value, "a dictionary (RFC 9651 §3.2)");
    members.set(key, item);
    rest = rest.slice(member.length);
    if (END.test(rest)) break;
    const comma = COMMA.exec(rest)?.[0] ?? "";
    rest = rest.slice(comma.length);
    if (comma === "" || rest === "") throw malformed(field, value, "members separated by single commas");
  }
  return members;
}

function malformed(field: string, value: string, expected: string): LayerdError {
  return new LayerdError("REQUEST_INVALID", `${field} is malformed: ${JSON.stringify(value.slice(0, 150))}`, {
    detail: { field, expected },
  });
}
