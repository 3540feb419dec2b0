import test, { type ExecutionContext } from "ava";
import { openJournalIndex } from "../../src/index/journal.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import type { Commit, Index, OnCommit } from "../../src/index/port.ts";
import { openPostgresIndex } from "../../src/index/postgres/postgres.ts";
import { database } from "../tools/database.ts";
import { digest, LIBRARY, link, put, setTag, tag, temporaryDirectory, transaction } from "./samples.ts";

type Open = (t: ExecutionContext, onCommit: OnCommit) => Promise<Index>;

const DRIVERS: Readonly<Record<string, Open>> = {
  postgres: async (_t, onCommit) =>
    await openPostgresIndex({ url: await database(), connections: 5, durability: "full", onCommit }),
  memory: async (_t, onCommit) => createMemoryIndex({ onCommit }),
  journal: async (t, onCommit) =>
    await openJournalIndex({ directory: await temporaryDirectory(t), durability: "full", onCommit }),
};

for (const [driver, open] of Object.entries(DRIVERS)) {
  test(`${driver}: a commit tells who changed what, from what to what, on which occasion`, async (t) => {
    const commits: Commit[] = [];
    const index = await open(t, (commit) => commits.push(commit));
    await index.apply(LIBRARY, transaction([put(digest(1)), setTag("v1", digest(1))]));
    await index.apply(LIBRARY, {
      ...{ who: "ann", request: "r-1", mount: { from: LIBRARY } },
      changes: [link(digest(3)), put(digest(2)), setTag("v1", digest(2))],
    });
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(2) }]));
    await index.close();
    t.deepEqual(
      commits.map(({ who, request }) => [who, request]),
      [
        ["anonymous", undefined],
        ["ann", "r-1"],
        ["anonymous", undefined],
      ],
    );
    const [first, second, third] = commits;
    t.like(first?.changes[1], { type: "tagSet", tag: tag("v1"), was: null, digest: digest(1) });
    t.like(second?.changes[2], { type: "tagSet", tag: tag("v1"), was: digest(1), digest: digest(2) });
    t.deepEqual(second?.mount, { from: LIBRARY });
    t.deepEqual(third?.changes, [{ type: "manifestDeleted", digest: digest(2), tags: [tag("v1")] }]);
    t.true(commits.every(({ at, repository }) => !Number.isNaN(Date.parse(at)) && repository === LIBRARY));
  });

  test(`${driver}: what changes nothing, or is refused, is no commit`, async (t) => {
    const commits: Commit[] = [];
    const index = await open(t, (commit) => commits.push(commit));
    await index.apply(LIBRARY, transaction([link(digest(1))]));
    await index.apply(LIBRARY, transaction([link(digest(1)), { type: "tagDeleted", tag: tag("v1") }]));
    const refused = transaction([link(digest(2))], [{ type: "blobLinked", digest: digest(9) }]);
    await t.throwsAsync(index.apply(LIBRARY, refused));
    await index.close();
    t.is(commits.length, 1);
  });

  test(`${driver}: those of a repository are told in the order in which they took effect`, async (t) => {
    const told: (string | null)[][] = [];
    const index = await open(t, ({ changes }) => {
      for (const change of changes) if (change.type === "tagSet") told.push([change.was, change.digest]);
    });
    const numbers = Array.from({ length: 200 }, (_, n) => n + 1);
    await Promise.all(numbers.map((n) => index.apply(LIBRARY, transaction([setTag("v1", digest(n))]))));
    await index.close();
    t.deepEqual(
      told,
      numbers.map((n) => [n === 1 ? null : digest(n - 1), digest(n)]),
    );
  });
}
