import test from "ava";
import { PartLog, type SentPart } from "../../src/blobs/s3/part-log.ts";
import { PartNumbers } from "../../src/blobs/s3/part-numbers.ts";
import { PARTS_MAX } from "../../src/blobs/s3/part-sizes.ts";

/** Numbers that are taken one after the other, as from a row; `taken` are those below. */
function numbers(first = 1) {
  const row = { next: first, times: 0 };
  const take = async (until: (first: number) => number) => {
    const begin = row.next;
    row.next = until(begin);
    row.times += 1;
    return begin;
  };
  return { row, numbers: new PartNumbers(take) };
}

test("part numbers follow on each other, however many ask at once", async (t) => {
  const { row, numbers: own } = numbers();
  const got = await Promise.all(Array.from({ length: 200 }, () => own.next()));
  t.deepEqual(
    got,
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
  t.true(row.times < 50, `${row.times} times`);
});

test("no number is ever got twice, and few are taken for nothing, whoever goes on", async (t) => {
  for (const parts of [1, 2, 5, 9, 40]) {
    const { row } = numbers();
    const seen = new Set<number>();
    for (let server = 0; server < 20; server += 1) {
      const own = new PartNumbers(async (until) => {
        const begin = row.next;
        row.next = until(begin);
        return begin;
      });
      for (let part = 0; part < parts; part += 1) seen.add(await own.next());
    }
    t.is(seen.size, 20 * parts);
    t.true(row.next - 1 <= 1.25 * 20 * parts, `${row.next - 1} numbers for ${20 * parts} parts`);
    if (parts < 8) t.is(row.next - 1, 20 * parts);
  }
});

test("numbers end with the last that S3 knows; a failure to take some is told, and the next may succeed", async (t) => {
  const { row, numbers: own } = numbers(PARTS_MAX - 50);
  for (let number = PARTS_MAX - 50; number <= PARTS_MAX; number += 1) t.is(await own.next(), number);
  t.is(row.next, PARTS_MAX + 1);
  let fails = true;
  const flaky = new PartNumbers(async (until) => {
    until(7);
    if (fails) throw new Error("away");
    return 7;
  });
  const failed = await Promise.allSettled([flaky.next(), flaky.next()]);
  t.deepEqual(
    failed.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  fails = false;
  t.is(await flaky.next(), 7);
});

function sent(number: number): SentPart {
  return { end: number * 10, head: Buffer.alloc(0), digests: [], part: { number, etag: "e", size: 10 } };
}

test("parts are entered in their order, and together when they are sent while others are entered", async (t) => {
  const entered: number[][] = [];
  const first = Promise.withResolvers<void>();
  const log = new PartLog(async (parts) => {
    entered.push(parts.map(({ part }) => part.number));
    if (entered.length === 1) await first.promise;
  });
  const sendings = [1, 2, 3, 4].map(() => Promise.withResolvers<SentPart>());
  const added = sendings.map(({ promise }) => log.add(promise));
  const resolve = (number: number) => sendings[number - 1]?.resolve(sent(number));
  resolve(2);
  await added[1];
  t.deepEqual(entered, []);
  resolve(1);
  await added[0];
  resolve(4);
  resolve(3);
  await Promise.all(added);
  const settled = log.settle();
  first.resolve();
  await settled;
  t.deepEqual(entered.flat(), [1, 2, 3, 4]);
  t.true(entered.length <= 3);
});

test("behind a part that is not sent none is entered; settling says why, when nothing is being entered", async (t) => {
  const entered: number[] = [];
  const entering = Promise.withResolvers<void>();
  let settled = false;
  const log = new PartLog(async (parts) => {
    await entering.promise;
    entered.push(...parts.map(({ part }) => part.number));
  });
  await log.add(Promise.resolve(sent(1)));
  await t.throwsAsync(log.add(Promise.reject(new Error("refused"))), { message: "refused" });
  await log.add(Promise.resolve(sent(3)));
  const settling = log.settle().finally(() => {
    settled = true;
  });
  await new Promise(setImmediate);
  t.false(settled);
  entering.resolve();
  await t.throwsAsync(settling, { message: "refused" });
  t.deepEqual(entered, [1]);
});

test("after parts that could not be entered, none is; settling says why", async (t) => {
  let times = 0;
  const log = new PartLog(async () => {
    times += 1;
    throw new Error("another server has gone on");
  });
  await log.add(Promise.resolve(sent(1)));
  await new Promise(setImmediate);
  await log.add(Promise.resolve(sent(2)));
  await t.throwsAsync(log.settle(), { message: "another server has gone on" });
  t.is(times, 1);
});
