import test from "ava";
import fc from "fast-check";
import type { KeepTags } from "../../src/core/rules.ts";
import type { TagEntry } from "../../src/index/port.ts";
import { leavingTags } from "../../src/registry/gc/retention.ts";
import { digest, tag } from "../index/samples.ts";

const NOW = new Date("2026-06-01T00:00:00.000Z");
const DAY = 86_400_000;
const MUTABLE = { isImmutable: () => false, readOnly: false };

/** A tag that was set so many days ago. */
function aged(name: string, days: number): TagEntry {
  return { tag: tag(name), digest: digest(1), updatedAt: new Date(NOW.getTime() - days * DAY).toISOString() };
}

function leaving(tags: readonly TagEntry[], keepTags: KeepTags | "all", rules: object = {}) {
  return leavingTags(tags, { ...MUTABLE, ...rules, keepTags }, NOW).map((entry) => entry.tag as string);
}

const TAGS = [aged("latest", 1), aged("v1", 40), aged("v2", 20), aged("pr-1", 31), aged("pr-2", 2)];

test("without a word about tags all stay", (t) => {
  t.deepEqual(leaving(TAGS, "all"), []);
});

test("the newest stay, and of those set at the same time the first by name", (t) => {
  t.deepEqual(leaving(TAGS, { newest: 2 }), ["v1", "v2", "pr-1"]);
  t.deepEqual(leaving([aged("b", 1), aged("a", 1), aged("c", 1)], { newest: 2 }), ["c"]);
});

test("tags that were set since stay", (t) => {
  t.deepEqual(leaving(TAGS, { youngerThan: 20 * DAY }), ["v1", "v2", "pr-1"]);
  t.deepEqual(leaving(TAGS, { youngerThan: 20 * DAY + 1 }), ["v1", "pr-1"]);
});

test("tags that the patterns match stay", (t) => {
  t.deepEqual(leaving(TAGS, { matching: ["v*", "!v1"] }), ["latest", "v1", "pr-1", "pr-2"]);
});

test("one reason to stay is enough", (t) => {
  t.deepEqual(leaving(TAGS, { newest: 1, youngerThan: 3 * DAY, matching: ["v*"] }), ["pr-1"]);
});

test("immutable tags stay, and so do all of a read-only repository", (t) => {
  const isImmutable = (name: string) => name.startsWith("v");
  t.deepEqual(leaving(TAGS, { newest: 1 }, { isImmutable }), ["pr-1", "pr-2"]);
  t.deepEqual(leaving(TAGS, { newest: 1 }, { readOnly: true }), []);
});

test("why a tag leaves is said of each thing that could have kept it", (t) => {
  const why = (keepTags: KeepTags) => leavingTags(TAGS, { ...MUTABLE, keepTags }, NOW)[0]?.why;
  t.is(
    why({ newest: 2, youngerThan: 30 * DAY, matching: ["latest", "x*"] }),
    "not among the newest 2, older than 30d, not matched by latest, x*",
  );
  t.is(why({ newest: 1 }), "not the newest");
  t.is(why({ youngerThan: DAY + 3_600_000 }), "older than 25h");
});

const someTags = fc
  .uniqueArray(fc.tuple(fc.constantFrom(..."abcdefgh"), fc.integer({ min: 0, max: 4 })), {
    selector: ([name]) => name,
  })
  .map((all) => all.map(([name, days]) => aged(name, days)));
const someKeeping = fc.record(
  {
    newest: fc.integer({ min: 1, max: 9 }),
    youngerThan: fc.integer({ min: 1, max: 5 }).map((days) => days * DAY),
    matching: fc.array(fc.constantFrom("a", "b", "*", "!c"), { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: ["newest"] },
);

test("whatever is said: as many as the newest stay, and who stays is newer than who leaves", (t) => {
  fc.assert(
    fc.property(someTags, fc.integer({ min: 1, max: 9 }), (tags, newest) => {
      const gone = new Set(leaving(tags, { newest }));
      t.is(gone.size, Math.max(0, tags.length - newest));
      const [left, stayed] = [
        tags.filter((each) => gone.has(each.tag)),
        tags.filter((each) => !gone.has(each.tag)),
      ];
      for (const one of left) t.true(stayed.every((other) => other.updatedAt >= one.updatedAt));
    }),
  );
});

test("whatever is said: a tag leaves when each part of it alone would let it leave", (t) => {
  fc.assert(
    fc.property(someTags, someKeeping, (tags, keeping) => {
      const alone = Object.entries(keeping).map(([key, value]) => leaving(tags, { [key]: value }));
      const all = tags
        .map((each) => each.tag as string)
        .filter((name) => alone.every((gone) => gone.includes(name)));
      t.deepEqual(leaving(tags, keeping), all);
    }),
  );
});

test("whatever is said: judging again what has stayed lets none of the newest leave", (t) => {
  fc.assert(
    fc.property(someTags, someKeeping, (tags, keeping) => {
      const gone = new Set(leaving(tags, keeping));
      const stayed = tags.filter((each) => !gone.has(each.tag));
      t.deepEqual(leaving(stayed, keeping), []);
    }),
  );
});
