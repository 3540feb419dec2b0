import test from "ava";
import { describeExplanation } from "../../src/cli/operations/explanation.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import type { Explanation, InRepository } from "../../src/create.ts";
import { digest, tag } from "../index/samples.ts";

const NOW = new Date("2026-03-01T12:00:00.000Z");
const NONE = { items: [], total: 0 };
const UNNAMED = {
  tags: NONE,
  leavingTags: [],
  manifests: NONE,
  indexes: NONE,
  referrers: NONE,
  readOnly: false,
};
const ENTRY = { mediaType: "a/b", createdAt: "2026-02-01T12:00:00.000Z" };

function inTeam(found: Partial<InRepository>): InRepository {
  return { repository: parseRepositoryName("team/app"), ...UNNAMED, ...found };
}

/** The lines after the first. */
function describe(about: Partial<Explanation>): string[] {
  const nothing = { digest: digest(1), repositories: [], promised: false, held: false };
  const [first, ...lines] = describeExplanation({ ...nothing, ...about }, NOW).split("\n");
  if (first?.startsWith(digest(1)) !== true) throw new Error(`it begins with ${first}`);
  return lines;
}

test("everything that needs it has a line, and one says how many more there are", (t) => {
  const lines = describe({
    size: 10,
    repositories: [
      inTeam({
        manifest: { ...ENTRY, subject: { digest: digest(5), here: false } },
        tags: { items: [tag("pr-1"), tag("v1")], total: 2 },
        leavingTags: [{ tag: tag("pr-1"), why: "not the newest" }],
        indexes: { items: [digest(2)], total: 12 },
        referrers: { items: [digest(3)], total: 1 },
      }),
    ],
  });
  t.deepEqual(lines, [
    "team/app: manifest, a/b",
    "  tagged pr-1, which is to leave: not the newest",
    "  tagged v1",
    `  listed by the index ${digest(2)}`,
    "  and 11 more",
    `  refers to ${digest(5)}, which is not here`,
    `  referred to by ${digest(3)}`,
  ]);
});

test("since when a manifest has had no tag is said, and when what it refers to was deleted", (t) => {
  const goneAt = "2026-02-20T08:00:59.999Z";
  const manifest = {
    ...ENTRY,
    subject: { digest: digest(5), here: false, goneAt },
    untaggedAt: "2026-02-10T09:30:00.000Z",
    until: "2026-03-02T12:30:00.000Z",
  };
  t.deepEqual(describe({ size: 10, repositories: [inTeam({ manifest })] }), [
    "team/app: manifest, a/b",
    `  refers to ${digest(5)}, which was deleted on 2026-02-20 08:00 UTC`,
    "  it has had no tag since 2026-02-10 09:30 UTC",
    "  no tag, index or subject needs the manifest: it is kept until 2026-03-02 12:30 UTC at least",
  ]);
});

for (const [until, promised, sentence] of [
  ["forever", false, "it is kept for ever all the same"],
  ["2026-03-02T12:30:00.000Z", false, "it is kept until 2026-03-02 12:30 UTC at least"],
  ["2026-02-02T12:30:00.000Z", false, "it leaves at the next collection"],
  ["2026-02-02T12:30:00.000Z", true, "it leaves when it is promised no more"],
] as const) {
  test(`of what nothing needs it is said that ${sentence}`, (t) => {
    const lines = describe({ size: 1, promised, repositories: [inTeam({ blob: { ...ENTRY, until } })] });
    t.is(lines[1], `  no manifest needs the blob: ${sentence}`);
  });
}

test("bytes that no repository has leave, unless something holds them", (t) => {
  t.deepEqual(describe({ size: 1 }), ["no repository has it: it leaves at the next collection"]);
  t.deepEqual(describe({ size: 1, held: true }), ["held by something that is being pushed right now"]);
});

test("what is linked and has lost its bytes can be healed", (t) => {
  const lines = describe({ repositories: [inTeam({ readOnly: true, blob: ENTRY })] });
  t.deepEqual(lines, [
    "team/app: blob, a/b",
    "  the repository is read-only: nothing leaves it",
    "its bytes are not stored: push it again to heal that",
  ]);
});

test("what is only named is not here", (t) => {
  const repositories = [inTeam({ manifests: { items: [digest(2)], total: 1 } })];
  t.deepEqual(describe({ repositories }), [
    "team/app: only named there",
    `  named by the manifest ${digest(2)}`,
  ]);
  t.regex(
    describeExplanation({ digest: digest(1), repositories, promised: false, held: false }, NOW),
    / {2}not here\n/,
  );
});
