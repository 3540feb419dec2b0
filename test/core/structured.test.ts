import { createHash } from "node:crypto";
import test from "ava";
import fc from "fast-check";
import { LayerdError } from "../../src/core/errors.ts";
import { parseBooleanItem, parseDigestFields, parseIntegerItem } from "../../src/core/structured.ts";

const INVALID = { instanceOf: LayerdError, code: "REQUEST_INVALID" };
const sha256 = createHash("sha256").update("hello").digest();
const sha512 = createHash("sha512").update("hello").digest();
const base64 = sha256.toString("base64");

test("a boolean is ?1 or ?0", (t) => {
  t.true(parseBooleanItem("?1"));
  t.false(parseBooleanItem("?0"));
  t.true(parseBooleanItem("  ?1 "));
});

test("parameters of an item are checked and ignored", (t) => {
  t.true(parseBooleanItem('?1;a;b=2; c="x;y";*d=tok/en;e=:YQ==:;f=?0;g=1.5;h=@-12;i=%"%c3%a9"'));
  t.is(parseIntegerItem("7;q=1"), 7);
  t.throws(() => parseBooleanItem("?1;A=1"), INVALID);
  t.throws(() => parseBooleanItem("?1;a="), INVALID);
  t.throws(() => parseBooleanItem("?1 ;a"), INVALID);
});

for (const value of ["", "1", "true", "?2", "?", "?10", "?1, ?1", "?1?1", "? 1", "\t?1", "?1;"]) {
  test(`${JSON.stringify(value)} is no boolean`, (t) => {
    t.throws(() => parseBooleanItem(value), INVALID);
  });
}

test("an integer has at most 15 digits", (t) => {
  t.is(parseIntegerItem("0"), 0);
  t.is(parseIntegerItem("-0"), 0);
  t.is(parseIntegerItem("-42"), -42);
  t.is(parseIntegerItem("00012"), 12);
  t.is(parseIntegerItem("999999999999999"), 999_999_999_999_999);
});

for (const value of [
  "",
  "-",
  "+1",
  "1.0",
  "1e3",
  "0x10",
  "1234567890123456",
  "1, 2",
  "1 2",
  "?1",
  '"1"',
  "١",
]) {
  test(`${JSON.stringify(value)} is no integer`, (t) => {
    t.throws(() => parseIntegerItem(value), INVALID);
  });
}

test("an error names the field and says what was expected", (t) => {
  const error = t.throws(() => parseBooleanItem("true", "Upload-Complete"), { instanceOf: LayerdError });
  t.is(error?.message, 'Upload-Complete is malformed: "true"');
  t.deepEqual(error?.detail, { field: "Upload-Complete", expected: "?1 or ?0" });
});

test("digests are read by their algorithm", (t) => {
  const value = `sha-256=:${base64}:, sha-512=:${sha512.toString("base64")}:`;
  t.deepEqual(
    [...parseDigestFields(value)],
    [
      ["sha256", sha256],
      ["sha512", sha512],
    ],
  );
});

test("unknown algorithms are ignored, whatever their value", (t) => {
  const value = `md5=:YQ==:, unixsum=12, x, y=(a "b" 1.5;q=1 :YQ==:);z, *k=tok, sha-256=:${base64}:;p="v"`;
  t.deepEqual([...parseDigestFields(value)], [["sha256", sha256]]);
  t.is(parseDigestFields("crc32c=:AAAAAA==:").size, 0);
  t.is(parseDigestFields("constructor=1, valueof").size, 0);
});

test("of a digest given twice the last one counts", (t) => {
  const zeros = Buffer.alloc(32);
  const value = `sha-256=:${zeros.toString("base64")}:,\tsha-256=:${base64}:`;
  t.deepEqual([...parseDigestFields(value)], [["sha256", sha256]]);
});

test("base64 padding may be missing", (t) => {
  t.deepEqual(parseDigestFields(`sha-256=:${base64.replace("=", "")}:`).get("sha256"), sha256);
});

test("an empty field claims nothing", (t) => {
  t.is(parseDigestFields("").size, 0);
  t.is(parseDigestFields("  ").size, 0);
});

const malformedDigests = [
  `sha-256=${base64}`,
  `sha-256:${base64}:`,
  `sha-256=:${base64}`,
  `sha-256="${base64}"`,
  "sha-256",
  "sha-256=1",
  "sha-256=()",
  "sha-256=::",
  "sha-256=:YQ==:",
  `sha-256=:${base64}=:`,
  `sha-256=:=${base64.slice(1)}:`,
  `sha-256=:${base64.slice(0, 20)} ${base64.slice(21)}:`,
  `sha-256=:${sha256.toString("base64url").replace(/^./, "_")}:`,
  `sha-256=:${sha256.toString("hex")}:`,
  `sha-512=:${base64}:`,
  `SHA-256=:${base64}:`,
  `sha-256=:${base64}:,`,
  `,sha-256=:${base64}:`,
  `sha-256=:${base64}:,,md5=1`,
  `sha-256=:${base64}: md5=1`,
  `sha-256 = :${base64}:`,
  `sha-256=:${base64}:, md5=(a`,
  `sha-256=:${base64}:, md5=("a"b)`,
  `sha-256=:${base64}:, md5="\u00e9"`,
  `sha-256=:${base64}:\u00a0`,
];

for (const value of malformedDigests) {
  test(`the digest field ${value.replace("\u00a0", "(nbsp)")} is refused`, (t) => {
    t.throws(() => parseDigestFields(value, "Content-Digest"), { ...INVALID, message: /^Content-Digest/ });
  });
}

test("any digest that is written can be read", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const read = parseDigestFields(`sha-256=:${Buffer.from(bytes).toString("base64")}:`).get("sha256");
      return read?.equals(bytes) === true;
    }),
  );
  t.pass();
});

test("any integer that is written can be read", (t) => {
  const limit = 999_999_999_999_999;
  fc.assert(
    fc.property(
      fc.integer({ min: -limit, max: limit }),
      (value) => parseIntegerItem(String(value)) === value,
    ),
  );
  t.pass();
});

test("noise is refused or read, and nothing else happens", (t) => {
  const noise = fc.string({ unit: fc.constantFrom(...'sha-256=:;,()?01" \taZ/+*%@.') });
  fc.assert(
    fc.property(fc.oneof(noise, fc.string()), (value) => {
      for (const parse of [parseBooleanItem, parseIntegerItem, parseDigestFields]) {
        try {
          parse(value);
        } catch (error) {
          if (!(error instanceof LayerdError)) throw error;
        }
      }
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test("a hostile field of 64 KiB is read in no time", (t) => {
  for (const filler of [
    " ",
    ";a",
    "; a=1",
    "a,",
    "(",
    "(a ",
    "a ",
    '"',
    "\\",
    ":",
    "YQ",
    "1",
    ", ",
    "a=(",
    ';a="',
    "a=(b;c d ",
  ]) {
    const tail = filler.repeat(65_536 / filler.length);
    for (const value of [`?1${tail}!`, `1${tail}!`, `a=1${tail}!`, `a=(${tail}!`, `a=:${tail}!`]) {
      t.throws(() => parseBooleanItem(value), INVALID);
      t.throws(() => parseIntegerItem(value), INVALID);
      t.throws(() => parseDigestFields(value), INVALID);
    }
  }
});
