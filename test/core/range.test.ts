import test from "ava";
import fc from "fast-check";
import { type ByteRange, selectRanges } from "../../src/core/range.ts";

/** The ranges of a selection as `first-last`, or its type. */
function selected(field: string, size: number): string {
  const selection = selectRanges(field, size);
  if (selection.type !== "ranges") return selection.type;
  return selection.ranges.map(({ start, end }) => `${start}-${end - 1}`).join(" ");
}

const of1000: readonly [field: string, expected: string][] = [
  ["bytes=0-0", "0-0"],
  ["bytes=0-499", "0-499"],
  ["bytes=500-", "500-999"],
  ["bytes=-1", "999-999"],
  ["bytes=-500", "500-999"],
  ["bytes=0-", "0-999"],
  ["bytes=999-999", "999-999"],
  ["bytes=007-0008", "7-8"],
  ["BYTES=1-2", "1-2"],
  // RFC 9110 §14.1.2: clamped, and a long suffix is everything
  ["bytes=900-1000", "900-999"],
  ["bytes=0-999999999999999999999999", "0-999"],
  ["bytes=-1000", "0-999"],
  ["bytes=-1001", "0-999"],
  ["bytes=-99999999999999999999999999", "0-999"],
  [`bytes=-${"9".repeat(400)}`, "0-999"],
  [`bytes=5-${"9".repeat(400)}`, "5-999"],
  // nothing of it is there
  ["bytes=1000-", "refused"],
  ["bytes=1000-1001", "refused"],
  ["bytes=-0", "refused"],
  ["bytes=-000", "refused"],
  ["bytes=9007199254740993-", "refused"],
  [`bytes=${"9".repeat(400)}-`, "refused"],
  ["bytes=1000-,-0", "refused"],
  ["bytes=1000-,0-0", "0-0"],
  // invalid
  ["bytes=5-2", "refused"],
  ["bytes=abc", "refused"],
  ["bytes=", "refused"],
  ["bytes=,", "refused"],
  ["bytes=-", "refused"],
  ["bytes=--1", "refused"],
  ["bytes=1", "refused"],
  ["bytes=1-2-3", "refused"],
  ["bytes=1 - 2", "refused"],
  ["bytes=1- 2", "refused"],
  ["bytes= 1-2", "refused"],
  ["bytes =1-2", "refused"],
  ["bytes 1-2", "refused"],
  ["bytes", "refused"],
  ["bytes=+1-2", "refused"],
  ["bytes=0x1-2", "refused"],
  ["bytes=1.0-2", "refused"],
  ["bytes=1e1-20", "refused"],
  ["bytes=0-1;2-3", "refused"],
  ["bytes=0-1,abc", "refused"],
  ["bytes=0-1,\u00a0200-201", "refused"],
  ["bytes=0-1, bytes=2-3", "refused"],
  ["bytes=0-0,9007199254740993-9007199254740992", "refused"],
  ["bytes=0-0,9007199254740992-9007199254740993", "0-0"],
  // §5.6.1: empty elements and white space around commas
  ["bytes=,0-0,", "0-0"],
  ["bytes= ,0-0", "0-0"],
  ["bytes=,,0-0 ,\t, 200-201,,", "0-0 200-201"],
  // several: coalesced within 80 bytes, otherwise in the order asked for
  ["bytes=0-0,-1", "0-0 999-999"],
  ["bytes=-1,0-0", "999-999 0-0"],
  ["bytes=500-599,0-99", "500-599 0-99"],
  ["bytes=0-99,100-199", "0-199"],
  ["bytes=0-99,180-199", "0-199"],
  ["bytes=0-99,181-199", "0-99 181-199"],
  ["bytes=50-149,0-99", "0-149"],
  ["bytes=0-999,400-500", "0-999"],
  ["bytes=800-809,0-9,400-409,805-820", "800-820 0-9 400-409"],
  ["bytes=800-809,0-9,400-409,5-20", "800-809 0-20 400-409"],
  ["bytes=0-9,200-209,100-109,10-199", "0-209"],
  // §14.2: a unit that is not understood is ignored
  ["lines=0-5", "whole"],
  ["items=abc", "whole"],
  ["bytes2=0-5", "whole"],
  ["", "whole"],
  ["=0-5", "whole"],
  ["0-5", "whole"],
];

for (const [field, expected] of of1000) {
  const shown = field.length > 60 ? `${field.slice(0, 60)}… (${field.length} characters)` : field;
  test(`Range ${JSON.stringify(shown)} of 1000 bytes is ${expected}`, (t) => {
    t.is(selected(field, 1000), expected);
  });
}

test("an empty representation has no range that begins somewhere", (t) => {
  t.is(selected("bytes=0-", 0), "refused");
  t.is(selected("bytes=0-0", 0), "refused");
  t.is(selected("bytes=-0", 0), "refused");
});

test("a suffix of an empty representation is all of it", (t) => {
  t.is(selected("bytes=-5", 0), "whole");
  t.is(selected("bytes=0-0,-5", 0), "whole");
});

test("the last byte of the largest blob can be asked for", (t) => {
  const size = Number.MAX_SAFE_INTEGER;
  t.is(selected("bytes=-1", size), `${size - 1}-${size - 1}`);
  t.is(selected("bytes=9007199254740990-", size), "9007199254740990-9007199254740990");
  t.is(selected("bytes=9007199254740991-", size), "refused");
});

test("dozens of chunks at once are served, hundreds are not", (t) => {
  const chunks = (count: number) =>
    `bytes=${Array.from({ length: count }, (_, i) => `${i * 1000}-${i * 1000 + 9}`).join(",")}`;
  t.is(selected(chunks(100), 1_000_000).split(" ").length, 100);
  t.is(selected(chunks(101), 1_000_000), "whole");
});

test("hundreds of ranges that add up to more than there is are ignored", (t) => {
  t.is(selected(`bytes=${Array(500).fill("0-").join(",")}`, 1000), "whole");
  t.is(selected(`bytes=${Array.from({ length: 500 }, (_, i) => `${i}-`).join(",")}`, 1000), "whole");
});

test("many small neighbours are one range", (t) => {
  t.is(selected(`bytes=${Array.from({ length: 500 }, (_, i) => `${i}-${i}`).join(",")}`, 1000), "0-499");
});

test("a hostile field of 64 KiB is read in no time", (t) => {
  for (const filler of [" ", "\t ", ",", "1", "-", "=", "1-", "0-,", '"']) {
    const field = `bytes=0-${filler.repeat(65_536 / filler.length)}x`;
    t.notThrows(() => selectRanges(field, 1000));
  }
});

type Spec = readonly [first: bigint | undefined, last: bigint | undefined];

const huge = fc.bigInt({ min: 2n ** 53n - 2n, max: 2n ** 70n });
const position = fc.oneof(
  { weight: 9, arbitrary: fc.bigInt({ min: 0n, max: 700n }) },
  { weight: 1, arbitrary: huge },
);
const spec: fc.Arbitrary<Spec> = fc.oneof(
  fc.tuple(position, position).map(([a, b]): Spec => (a <= b ? [a, b] : [b, a])),
  fc.tuple(position, fc.nat(20)).map(([a, length]): Spec => [a, a + BigInt(length)]),
  position.map((first): Spec => [first, undefined]),
  position.map((length): Spec => [undefined, length]),
);

/** Which spec first asked for each byte, worked out byte by byte from the words of RFC 9110 §14.1.2. */
function maskOf(specs: readonly Spec[], size: number): (number | undefined)[] {
  const mask = new Array<number | undefined>(size).fill(undefined);
  for (let at = 0; at < size; at++) {
    const place = specs.findIndex(([first, last]) => {
      if (first === undefined) return BigInt(size - at) <= (last ?? 0n);
      return BigInt(at) >= first && (last === undefined || BigInt(at) <= last);
    });
    if (place >= 0) mask[at] = place;
  }
  return mask;
}

/** Runs of asked-for bytes with gaps of at most 80 between them, in the order of the specs. */
function runsOf(mask: readonly (number | undefined)[]): ByteRange[] {
  const runs: { start: number; end: number; place: number }[] = [];
  mask.forEach((place, at) => {
    if (place === undefined) return;
    const run = runs.at(-1);
    if (run === undefined || at - run.end > 80) runs.push({ start: at, end: at + 1, place });
    else Object.assign(run, { end: at + 1, place: Math.min(run.place, place) });
  });
  return runs.sort((a, b) => a.place - b.place).map(({ start, end }) => ({ start, end }));
}

test("the selection is what marking each byte by hand gives", (t) => {
  const comma = fc.constantFrom(",", ", ", " ,\t", ",,", " , ,");
  const cases = fc.record({
    size: fc.integer({ min: 1, max: 600 }),
    specs: fc.array(spec, { minLength: 1, maxLength: 12 }),
    comma,
  });
  fc.assert(
    fc.property(cases, ({ size, specs, comma }) => {
      const field = `bytes=${specs.map(([first, last]) => `${first ?? ""}-${last ?? ""}`).join(comma)}`;
      const selection = selectRanges(field, size);
      const runs = runsOf(maskOf(specs, size));
      if (runs.length === 0) t.is(selection.type, "refused", field);
      else t.deepEqual(selection, { type: "ranges", ranges: runs }, field);
    }),
    { numRuns: 1000 },
  );
});

test("no field makes it throw or select what is not there", (t) => {
  const noise = fc.string({ unit: fc.constantFrom(..."0123456789-,= \tbx") }).map((text) => `bytes=${text}`);
  fc.assert(
    fc.property(fc.oneof(fc.string(), noise), fc.nat(50), (field, size) => {
      const selection = selectRanges(field, size);
      if (selection.type !== "ranges") return true;
      return selection.ranges.every(({ start, end }) => 0 <= start && start < end && end <= size);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
