import test from "ava";
import fc from "fast-check";
import { LayerdError } from "../../src/core/errors.ts";
import { parseStrictJson } from "../../src/core/strict-json.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => parseStrictJson(bytesOf(text), "MANIFEST_INVALID");
const INVALID = { instanceOf: LayerdError, code: "MANIFEST_INVALID" };

function faultOf(action: () => unknown): { path: string; message: string } {
  try {
    action();
  } catch (error) {
    return ((error as LayerdError).detail as { path: string; message: string }[])[0] ?? fail();
  }
  return fail();
}

function fail(): never {
  throw new Error("nothing was refused");
}

/** JSON of a value, in which the object counted `at` has its first key once more at its end. */
function stringifyWithDuplicate(root: unknown, at: number, spell: (key: string) => string): string {
  let count = 0;
  const write = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
    if (typeof value !== "object" || value === null) return JSON.stringify(value);
    const keys = Object.keys(value);
    const [first] = keys;
    const again = first !== undefined && count++ === at ? [`${spell(first)}:0`] : [];
    const members = keys.map(
      (key) => `${JSON.stringify(key)}:${write((value as Record<string, unknown>)[key])}`,
    );
    return `{${[...members, ...again].join(",")}}`;
  };
  return write(root);
}

const escaped = (key: string) =>
  `"${[...Array(key.length).keys()].map((at) => `\\u${key.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")}"`;

function objectsWithKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inner = Object.values(value).reduce((sum: number, each) => sum + objectsWithKeys(each), 0);
  return inner + (Array.isArray(value) || Object.keys(value).length === 0 ? 0 : 1);
}

test("whatever JSON.stringify writes is read as JSON.parse reads it", (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      t.deepEqual(parse(text), JSON.parse(text));
    }),
  );
});

test("a key that is there twice is found, in whatever object and spelling", (t) => {
  const cases = fc.tuple(fc.jsonValue({ maxDepth: 6 }), fc.nat(), fc.constantFrom(JSON.stringify, escaped));
  fc.assert(
    fc.property(cases, ([value, nth, spell]) => {
      const objects = objectsWithKeys(value);
      fc.pre(objects > 0);
      const text = stringifyWithDuplicate(value, nth % objects, spell);
      t.throws(() => parse(text), { ...INVALID, message: /the key is there twice/ });
    }),
  );
});

test("broken JSON is refused exactly when JSON.parse refuses it", (t) => {
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.stringMatching(/^[[\]{}",:\\u0-9a-f ]{0,20}$/),
    fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom("", '"', "\\", ",", "}", "[", "x"))
      .map(([text, at, by]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + by + text.slice(place + 1);
      }),
  );
  const verdict = (action: () => unknown) => {
    try {
      return JSON.stringify(action());
    } catch (error) {
      return (error as Error).message.includes("the key is there twice") ? "twice" : "refused";
    }
  };
  fc.assert(
    fc.property(texts, (text) => {
      const strict = verdict(() => parse(text));
      // The bytes of a lone surrogate are those of U+FFFD.
      if (strict !== "twice")
        t.is(
          strict,
          verdict(() => JSON.parse(text.toWellFormed())),
        );
    }),
    { numRuns: 2000 },
  );
});

test("a duplicate key is named by its JSON path", (t) => {
  const fault = faultOf(() => parse('{"layers":[{},{"annotations":{"x":{},"a b":1,"a b":2}}]}'));
  t.deepEqual(fault, { path: '$.layers[1].annotations["a b"]', message: "the key is there twice" });
});

for (const [name, text] of [
  ["the same key", '{"a":1,"a":1}'],
  ["an escaped spelling of the key", '{"a":1,"\\u0061":2}'],
  ["an escaped solidus", '{"/":1,"\\/":2}'],
  ["the empty key", '{"":1,"":2}'],
  ["__proto__", '{"__proto__":1,"__proto__":2}'],
  ["a key behind a nested object and list", '{"a":{"b":[1,{"c":2}]},"d":[],"a":0}'],
] as const) {
  test(`${name} is a duplicate`, (t) => {
    t.throws(() => parse(text), { ...INVALID, message: /the key is there twice/ });
  });
}

for (const [name, text] of [
  ["the same key in two objects", '[{"a":1},{"a":1}]'],
  ["the same key inside itself", '{"a":{"a":{"a":1}}}'],
  ["a value like its key", '{"a":"a","b":"a"}'],
  ["equal strings in a list", '{"a":["a","a"],"b":1}'],
  ["a backslash spelled out", '{"\\u005cu0061":1,"a":2,"\\\\":3}'],
  ["keys that differ in case", '{"a":1,"A":2}'],
  ["brackets and quotes in strings", '{"{[,":"]}\\"","b":"\\\\"}'],
] as const) {
  test(`${name} is no duplicate`, (t) => {
    t.deepEqual(parse(text), JSON.parse(text));
  });
}

test("a hundred levels are read, one more is refused", (t) => {
  t.notThrows(() => parse("[".repeat(100) + "]".repeat(100)));
  t.throws(() => parse("[".repeat(101) + "]".repeat(101)), { ...INVALID, message: /nested deeper than 100/ });
  t.throws(() => parse('{"a":'.repeat(101) + "1".padEnd(102, "}")), { ...INVALID, message: /nested deeper/ });
});

test("objects beside each other are not nested", (t) => {
  t.notThrows(() => parse(`[${Array(500).fill('{"a":[]}').join(",")}]`));
});

test("what is not JSON is refused with its place", (t) => {
  t.regex(faultOf(() => parse('{"a":1 "b":2}')).message, /not JSON: .*line 1 column 8/);
  t.regex(faultOf(() => parse("")).message, /not JSON: Unexpected end/);
});

test("a byte order mark is refused", (t) => {
  t.regex(faultOf(() => parse("\ufeff{}")).message, /byte order mark/);
});

test("bytes that are not UTF-8 are refused", (t) => {
  const broken = [
    [0x22, 0xff, 0x22],
    [0x22, 0xc0, 0x80, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0xff, 0xfe, 0x7b, 0],
  ];
  for (const bytes of broken) {
    t.regex(faultOf(() => parseStrictJson(Uint8Array.from(bytes), "JSON_INVALID")).message, /not UTF-8/);
  }
});

test("more values than any manifest has are refused before they are built", (t) => {
  const error = t.throws(() => parse(`[${"{},".repeat(1_000_000)}0]`), { instanceOf: LayerdError });
  t.is(error?.code, "REQUEST_TOO_LARGE");
});

test("a key of a megabyte is cut short in the error", (t) => {
  const key = `"${"k".repeat(1_000_000)}"`;
  t.true(faultOf(() => parse(`{${key}:1,${key}:2}`)).path.length < 300);
});
