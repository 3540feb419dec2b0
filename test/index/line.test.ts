import test from "ava";
import fc from "fast-check";
import { decodeLine, encodeLine, seal, unseal } from "../../src/index/line.ts";
import { LineSplitter } from "../../src/index/line-splitter.ts";
import { digest } from "./samples.ts";

test("what was sealed is read again, with its checksum beside it", (t) => {
  const arbitrary = fc.dictionary(fc.string({ minLength: 1 }), fc.string({ unit: "binary" }), {
    minKeys: 1,
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(arbitrary, (value) => {
      delete value.sum;
      const sealed = seal({ first: 1, ...value });
      const { sum, ...rest } = unseal(Buffer.from(sealed)) ?? t.fail();
      t.regex(String(sum), /^[0-9a-f]{8}$/);
      t.deepEqual(rest, JSON.parse(JSON.stringify({ first: 1, ...value })));
    }),
  );
});

test("anything else is not taken for something that was sealed", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => unseal(Buffer.from(bytes)) === undefined),
  );
  for (const text of ["", "{}", "null", '{"sum":"00000000"}', ',"sum":"00000000"}']) {
    t.is(unseal(Buffer.from(text)), undefined);
  }
});

test("a line without a number, a time or changes is not a line", (t) => {
  const changes = [{ type: "blobUnlinked", digest: digest(1) } as const];
  const whole = { seq: 1, at: "2026-01-01T00:00:00.000Z", who: "ann", changes };
  t.like(decodeLine(Buffer.from(encodeLine(whole).trimEnd())), whole);
  for (const wrong of [
    { seq: "1" },
    { seq: 1.5 },
    { at: 7 },
    { changes: {} },
    { changes: [null] },
    { changes: [{}] },
  ]) {
    t.is(decodeLine(Buffer.from(seal({ ...whole, ...wrong }))), undefined, JSON.stringify(wrong));
  }
});

test("lines come out the same however the file is cut into chunks", (t) => {
  const lines = fc.array(fc.string({ unit: fc.constantFrom("a", "ä", "𝄞") }), { maxLength: 8 });
  fc.assert(
    fc.property(
      lines,
      fc.string({ unit: fc.constantFrom("z") }),
      fc.integer({ min: 1, max: 9 }),
      (lines, rest, step) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join("") + rest);
        const seen: [string, number][] = [];
        const splitter = new LineSplitter((line, number) => seen.push([line.toString(), number]));
        for (let at = 0; at < bytes.length; at += step) splitter.push(bytes.subarray(at, at + step));
        t.deepEqual(
          seen,
          lines.map((line, at) => [line, at + 1]),
        );
        t.is(splitter.lines, lines.length);
        t.is(splitter.unfinished, rest.length);
        t.is(splitter.complete, bytes.length - rest.length);
      },
    ),
  );
});

test("nothing after the limit is seen", (t) => {
  const seen: string[] = [];
  const splitter = new LineSplitter((line) => seen.push(line.toString()), 6);
  for (const chunk of ["ab\nc", "d\nef\n", "gh\n"]) splitter.push(Buffer.from(chunk));
  t.deepEqual(seen, ["ab", "cd"]);
  t.is(splitter.complete, 6);
  t.is(splitter.unfinished, 0);
});
