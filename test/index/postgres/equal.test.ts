import test from "ava";
import fc from "fast-check";
import type { LayerdError } from "../../../src/core/errors.ts";
import { parseRepositoryName } from "../../../src/core/name.ts";
import { createMemoryIndex } from "../../../src/index/memory.ts";
import type { Index, Transaction } from "../../../src/index/port.ts";
import { openPostgresIndex } from "../../../src/index/postgres/postgres.ts";
import { database } from "../../tools/database.ts";
import { DIGESTS, someTransaction, TAGS } from "../some-transaction.ts";

const ALL = { limit: 100 };
const TIMES = ["createdAt", "updatedAt", "untaggedAt", "subjectGoneAt"];

/** Whether there is a time, not which: two indexes have clocks of their own. */
function withoutTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner) => (TIMES.includes(key) ? "some time" : inner)));
}

/** What came of each: transactions of one turn are queued together. */
async function applyAll(
  index: Index,
  name: string,
  turns: readonly (readonly Transaction[])[],
): Promise<unknown[]> {
  const outcomes: unknown[] = [];
  const repository = parseRepositoryName(name);
  for (const turn of turns) {
    const settled = await Promise.allSettled(turn.map((transaction) => index.apply(repository, transaction)));
    outcomes.push(...settled.map((each) => (each.status === "rejected" ? told(each.reason) : "applied")));
  }
  return outcomes;
}

/** Which of several tags an error names, each index chooses for itself. */
function told({ code, detail }: LayerdError): unknown {
  return { code, detail: { ...(detail as object), tag: undefined } };
}

/** Everything that can be asked. */
async function readAll(index: Index, name: string): Promise<unknown> {
  const repository = parseRepositoryName(name);
  const of = DIGESTS.map(async (digest) => [
    await index.blob(repository, digest),
    await index.manifest(repository, digest),
    await index.tagsOf(repository, digest),
    await index.referrers(repository, digest, ALL),
    ...(await Promise.all(
      (["blob", "manifest", "subject"] as const).map((as) => index.namedBy(repository, digest, as, 2)),
    )),
  ]);
  return withoutTimes([
    await index.exists(repository),
    await index.blobs(repository, ALL),
    await index.unusedBlobs(repository, ALL),
    await index.manifests(repository, ALL),
    await index.tags(repository, ALL),
    await Promise.all(TAGS.map((tag) => index.tag(repository, tag))),
    await Promise.all(of),
  ]);
}

test("whatever is done to it, an index in PostgreSQL is what one in memory would be", async (t) => {
  const [memory, postgres] = [
    createMemoryIndex(),
    await openPostgresIndex({ url: await database(), connections: 8, durability: "os" }),
  ];
  t.teardown(() => postgres.close());
  let runs = 0;
  const turns = fc.array(fc.array(someTransaction, { minLength: 1, maxLength: 4 }), { maxLength: 12 });
  const property = fc.asyncProperty(turns, async (history) => {
    runs += 1;
    const name = `run-${runs}`;
    t.deepEqual(await applyAll(postgres, name, history), await applyAll(memory, name, history));
    t.deepEqual(await readAll(postgres, name), await readAll(memory, name));
  });
  await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 60_000 });
});
