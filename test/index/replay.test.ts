import test from "ava";
import fc from "fast-check";
import { type ErrorCode, isLayerdError } from "../../src/core/errors.ts";
import { JournalIndex } from "../../src/index/journal.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import type { Index, Transaction } from "../../src/index/port.ts";
import { FakeDisk } from "./fake-disk.ts";
import { Model, viewOf } from "./model.ts";
import { LIBRARY, TestLog } from "./samples.ts";
import { someTransaction } from "./some-transaction.ts";

type Step = readonly Transaction[] | "close and open" | "kill and open" | "read";

const someStep: fc.Arbitrary<Step> = fc.oneof(
  // Several at once: the order in which they are applied is the one in which they were given.
  { weight: 6, arbitrary: fc.array(someTransaction, { minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom("close and open", "kill and open", "read") },
);

async function applyAll(
  index: Index,
  transactions: readonly Transaction[],
): Promise<(ErrorCode | undefined)[]> {
  const results = transactions.map(async (transaction) => {
    try {
      await index.apply(LIBRARY, transaction);
      return undefined;
    } catch (error) {
      if (isLayerdError(error)) return error.code;
      throw error;
    }
  });
  return await Promise.all(results);
}

/** Takes the steps with an index and a model, and compares their answers after each. */
async function compare(
  t: { deepEqual(a: unknown, b: unknown): void },
  steps: readonly Step[],
  opener: Opener,
) {
  const model = new Model();
  let index = opener.open();
  for (const step of steps) {
    if (typeof step === "object") {
      t.deepEqual(
        await applyAll(index, step),
        step.map((transaction) => model.apply(transaction)),
      );
    } else if (step !== "read") {
      if (step === "close and open") await index.close();
      index = opener.open();
    }
    t.deepEqual(await viewOf(index, LIBRARY), model.view());
  }
  await index.close();
}

interface Opener {
  /** Opens what the one before, if it was not closed, left behind when it was killed. */
  open(): Index;
}

function journalOn(options: { compactAbove: number }, log: TestLog): Opener {
  let disk = new FakeDisk();
  return {
    open: () => {
      disk = disk.killed();
      return new JournalIndex(disk, { directory: "/", log, ...options });
    },
  };
}

test("a journal that is opened again and again tells what a plain model tells", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(someStep, { maxLength: 25 }), async (steps) => {
      const log = new TestLog();
      await compare(t, steps, journalOn({ compactAbove: Number.POSITIVE_INFINITY }, log));
      t.deepEqual(log.errors, []);
      t.deepEqual(log.warnings, []);
    }),
    { numRuns: 60 },
  );
});

test("one that is compacted after every few lines does too", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(someStep, { maxLength: 25 }), fc.nat(2000), async (steps, compactAbove) => {
      const log = new TestLog();
      await compare(t, steps, journalOn({ compactAbove }, log));
      t.deepEqual(log.damage, []);
    }),
    { numRuns: 60 },
  );
});

test("the memory index tells the same", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(someTransaction, { maxLength: 4 }), { maxLength: 25 }),
      async (steps) => {
        const index = createMemoryIndex();
        await compare(t, steps, { open: () => index });
      },
    ),
    { numRuns: 60 },
  );
});
