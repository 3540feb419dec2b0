import rangeParser from "range-parser";

/** Bytes `start` (inclusive) to `end` (exclusive), `0 <= start < end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a `Range` field asks of a representation. */
export type RangeSelection =
  /** The field is to be ignored: answer with everything. */
  | { readonly type: "whole" }
  /** One range or more, none empty, none within 80 bytes of another, in the order they were asked for. */
  | { readonly type: "ranges"; readonly ranges: readonly ByteRange[] }
  /** Nothing can be served; `reason` is for the client. */
  | { readonly type: "refused"; readonly reason: string };

const WHOLE: RangeSelection = { type: "whole" };

/**
 * How many ranges one response may have. Lazy-pulling clients ask for dozens of chunks of a layer at once;
 * beyond that it is an attack or a mistake (RFC 9110 §17.15).
 */
const MAX_RANGES = 100;

/** Bytes. What a part of a multipart response costs, and so a gap not worth leaving out (RFC 9110 §15.3.7.2). */
const PART_OVERHEAD = 80;

// RFC 9110 §5.6.2: a token is what names a range unit.
const UNIT = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/;
const RANGE_SET = /^=[\t\x20-\x7e]*$/;
const INT_RANGE = /^(\d+)-(\d*)$/;
const SUFFIX_RANGE = /^-(\d+)$/;

/**
 * Reads a `Range` field (RFC 9110 §14.2) against a representation of `size` bytes.
 * A unit other than bytes is ignored, and so is a set of ranges that no sane client sends.
 */
export function selectRanges(field: string, size: number): RangeSelection {
  const unit = UNIT.exec(field)?.[0] ?? "";
  if (unit.toLowerCase() !== "bytes") return WHOLE;
  const specs = splitRangeSet(field.slice(unit.length));
  if (specs === undefined || specs.length === 0 || !specs.every(isRangeSpec)) {
    return refused(`not a range of bytes: ${JSON.stringify(field.slice(0, 150))}`);
  }
  const asked = resolve(specs, size);
  if (asked.length === 0) return outOfBounds(specs, size);
  const ranges = coalesce(asked);
  return ranges.length > MAX_RANGES || isWasteful(asked, size) ? WHOLE : { type: "ranges", ranges };
}

/** RFC 9110 §5.6.1.2: white space around commas and empty elements are to be accepted. */
function splitRangeSet(text: string): string[] | undefined {
  if (!RANGE_SET.test(text)) return undefined;
  const elements = text.slice(1).split(",");
  // White space between "=" and the first range is not around a comma.
  if (/^[\t ]+[^\t ]/.test(elements[0] ?? "")) return undefined;
  return elements.map((element) => element.trim()).filter((element) => element !== "");
}

/** RFC 9110 §14.1.1; a last position before the first one makes the range invalid. */
function isRangeSpec(spec: string): boolean {
  const [, first, last] = INT_RANGE.exec(spec) ?? [];
  if (first === undefined) return SUFFIX_RANGE.test(spec);
  return last === undefined || last === "" || !exceeds(first, last);
}

/** Compares decimal numbers of any length, where floating point would take neighbours for equals. */
function exceeds(first: string, last: string): boolean {
  const [a, b] = [first.replace(/^0+/, ""), last.replace(/^0+/, "")];
  return a.length === b.length ? a > b : a.length > b.length;
}

/** The bytes that each valid spec asks for; those beyond the end ask for none and are left out. */
function resolve(specs: readonly string[], size: number): ByteRange[] {
  const fitting = specs.map((spec) => fitSuffix(spec, size));
  const parsed = rangeParser(size, `bytes=${fitting.join(",")}`);
  return typeof parsed === "number" ? [] : parsed.map(({ start, end }) => ({ start, end: end + 1 }));
}

/** A suffix longer than the content is the whole content (RFC 9110 §14.1.2); range-parser drops it. */
function fitSuffix(spec: string, size: number): string {
  const length = SUFFIX_RANGE.exec(spec)?.[1];
  return length !== undefined && Number(length) > size ? "0-" : spec;
}

function outOfBounds(specs: readonly string[], size: number): RangeSelection {
  // A suffix of an empty representation can be satisfied (RFC 9110 §14.1.2), but no Content-Range can say so.
  if (size === 0 && specs.some((spec) => /^-0*[1-9]/.test(spec))) return WHOLE;
  return refused(`the range asks for nothing that is there: the content has ${size} bytes`);
}

/** RFC 9110 §15.3.7.2: a range that takes in others stands where the first of them was asked for. */
function coalesce(asked: readonly ByteRange[]): ByteRange[] {
  const ordered = asked.map(({ start, end }, place) => ({ start, end, place }));
  ordered.sort((a, b) => a.start - b.start);
  const merged: typeof ordered = [];
  for (const range of ordered) {
    const before = merged.at(-1);
    if (before !== undefined && range.start - before.end <= PART_OVERHEAD) {
      before.end = Math.max(before.end, range.end);
      before.place = Math.min(before.place, range.place);
    } else {
      merged.push(range);
    }
  }
  merged.sort((a, b) => a.place - b.place);
  return merged.map(({ start, end }) => ({ start, end }));
}

/** Ranges by the hundred that together exceed the content (RFC 9110 §17.15). */
function isWasteful(asked: readonly ByteRange[], size: number): boolean {
  if (asked.length <= MAX_RANGES) return false;
  return asked.reduce((sum, { start, end }) => sum + end - start, 0) > size;
}

function refused(reason: string): RangeSelection {
  return { type: "refused", reason };
}
