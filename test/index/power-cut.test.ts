import { isDeepStrictEqual } from "node:util";
import test from "ava";
import fc from "fast-check";
import { isLayerdError } from "../../src/core/errors.ts";
import { JournalIndex } from "../../src/index/journal.ts";
import type { Transaction } from "../../src/index/port.ts";
import { FakeDisk, Killed } from "./fake-disk.ts";
import { Model, type View, viewOf } from "./model.ts";
import { digest, LIBRARY, link, put, setTag, TestLog, tag, transaction } from "./samples.ts";
import { someTransaction } from "./some-transaction.ts";

/** Lets the disk do its first `count` operations and none after them. The result is there once it has stopped. */
function stopAfter(disk: FakeDisk, count: number, chance: () => boolean): { left: FakeDisk | undefined } {
  const stopped: { left: FakeDisk | undefined } = { left: undefined };
  disk.fault = ({ number }) => {
    if (number <= count) return;
    stopped.left ??= disk.afterPowerCut(chance);
    throw new Killed();
  };
  return stopped;
}

interface Run {
  /** What the index would hold after each transaction, the empty one first. */
  readonly views: readonly View[];
  /** How many transactions, from the first, were answered before the power went. */
  readonly answered: number;
}

/** Applies bursts of transactions, each burst at once and after the one before, until the power goes. */
async function run(
  index: JournalIndex,
  bursts: readonly (readonly Transaction[])[],
  on: () => boolean,
): Promise<Run> {
  const model = new Model();
  const views = [model.view()];
  let answered = 0;
  for (const burst of bursts) {
    if (!on()) break;
    const first = views.length;
    const answers = burst.map(async (one, at) => {
      try {
        await index.apply(LIBRARY, one);
      } catch (error) {
        if (isLayerdError(error, "UNAVAILABLE")) return;
      }
      if (on()) answered = Math.max(answered, first + at);
    });
    for (const one of burst) {
      model.apply(one);
      views.push(model.view());
    }
    await Promise.all(answers);
  }
  await index.close();
  return { views, answered };
}

/** What is left must be a state that the index went through, and no earlier one than it has told anybody of. */
async function checkLeft(left: FakeDisk, { views, answered }: Run): Promise<void> {
  const log = new TestLog();
  const index = new JournalIndex(left, { directory: "/", log });
  const found = await viewOf(index, LIBRARY);
  await index.close();
  if (log.damage.length > 0) throw new Error(`damage: ${log.damage}`);
  if (views.slice(answered).some((view) => isDeepStrictEqual(view, found))) return;
  throw new Error(`after ${answered} answers: ${JSON.stringify(found)}`);
}

const someBursts = fc.array(fc.array(someTransaction, { minLength: 1, maxLength: 5 }), { maxLength: 20 });

test("a power cut at any moment leaves everything that was acknowledged", async (t) => {
  const chances = fc.array(fc.boolean(), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(
      someBursts,
      fc.nat(400),
      fc.nat(2000),
      chances,
      async (bursts, count, compactAbove, chances) => {
        const disk = new FakeDisk();
        let asked = 0;
        const stopped = stopAfter(disk, count, () => chances[asked++ % chances.length] ?? false);
        const index = new JournalIndex(disk, { directory: "/", compactAbove });
        const result = await run(index, bursts, () => stopped.left === undefined);
        await checkLeft(stopped.left ?? disk.afterPowerCut(), result);
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});

function alternating(first: boolean): () => boolean {
  let next = !first;
  return () => {
    next = !next;
    return next;
  };
}

const CHANCES: readonly (readonly [string, () => () => boolean])[] = [
  ["only what was synced", () => () => false],
  ["everything", () => () => true],
  ["every other thing", () => alternating(true)],
  ["every other thing, but not the first", () => alternating(false)],
];

// Once with nothing after it, and again and again with changes that come meanwhile.
for (const [compactAbove, length] of [
  [0, 1],
  [500, 20],
] as const) {
  for (const [title, chance] of CHANCES) {
    test(`a power cut at each step of ${length} changes and compactions that leaves ${title} loses nothing`, async (t) => {
      const bursts = Array.from({ length }, (_, at) => [
        transaction([link(digest(at % 6)), put(digest(at % 6), [digest(0)])]),
        transaction([setTag("a", digest(at % 6))]),
      ]);
      for (let count = 0, on = false; !on; count++) {
        const disk = new FakeDisk();
        const stopped = stopAfter(disk, count, chance());
        const index = new JournalIndex(disk, { directory: "/", compactAbove });
        const result = await run(index, bursts, () => stopped.left === undefined);
        on = stopped.left === undefined;
        await checkLeft(stopped.left ?? disk.afterPowerCut(chance()), result);
      }
      t.pass();
    });
  }
}

test("what a reader has seen, a power cut does not take, nor one after the process was killed", async (t) => {
  for (let count = 1; count < 80; count++) {
    const disk = new FakeDisk();
    const stopped = stopAfter(disk, count, () => false);
    const index = new JournalIndex(disk, { directory: "/", compactAbove: 1000 });
    let seen = -1;
    const see = async (from: JournalIndex) => {
      const entry = await from.tag(LIBRARY, tag("a"));
      if (entry !== undefined) seen = Math.max(seen, Number(entry.digest.slice(-2)));
    };
    for (let at = 0; at < 10 && stopped.left === undefined; at++) {
      const change = index.apply(LIBRARY, transaction([setTag("a", digest(at))]));
      await Promise.allSettled([see(index), change]);
    }
    const killed = disk.killed();
    // Here the kernel still has what was written and not synced; whoever reads it must sync it first.
    await see(new JournalIndex(killed, { directory: "/" }));
    const left = await new JournalIndex(killed.afterPowerCut(), { directory: "/" }).tag(LIBRARY, tag("a"));
    const there = left === undefined ? -1 : Number(left.digest.slice(-2));
    if (there < seen) t.fail(`stopped after ${count}: ${seen} was seen, ${there} is there`);
  }
  t.pass();
});

test("what a process wrote without syncing is synced before another relies on it", async (t) => {
  const name = "team/app" as typeof LIBRARY;
  for (const compactAbove of [0, 100_000]) {
    const disk = new FakeDisk();
    disk.lazy = true;
    const first = new JournalIndex(disk, { directory: "/", compactAbove });
    for (let at = 0; at < 5; at++) await first.apply(name, transaction([link(digest(at))]));
    await first.close();
    const killed = disk.killed();
    const second = new JournalIndex(killed, { directory: "/" });
    t.not(await second.blob(name, digest(4)), undefined);
    await second.apply(name, transaction([link(digest(5))]));
    const left = new JournalIndex(killed.afterPowerCut(), { directory: "/" });
    t.is((await left.blobs(name, { limit: 10 })).items.length, 6);
  }
});
