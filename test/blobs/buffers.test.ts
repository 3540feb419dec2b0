import test from "ava";
import fc from "fast-check";
import { type Share, TransferMemory } from "../../src/blobs/buffers.ts";
import { KiB, MiB } from "./samples.ts";

const PLAN = { limit: 4 * MiB, parts: 4 };

test("a lone transfer gets the largest buffers, as many as it planned", (t) => {
  const share = new TransferMemory().join(PLAN);
  const buffers = Array.from({ length: 6 }, () => share.tryTake());
  t.deepEqual(
    buffers.map((buffer) => buffer?.length),
    [MiB, MiB, MiB, MiB, undefined, undefined],
  );
});

test("buffers shrink as transfers grow in number, and grow again", (t) => {
  const memory = new TransferMemory(64 * MiB);
  const shares = Array.from({ length: 64 }, () => memory.join(PLAN));
  t.is(shares[0]?.size, 256 * KiB);
  for (const share of shares.slice(1)) share.leave();
  shares[1]?.leave();
  t.is(shares[0]?.size, MiB);
});

test("a buffer is no larger than what it is to hold", (t) => {
  const share = new TransferMemory().join(PLAN);
  t.deepEqual(
    [1, 64 * KiB, 64 * KiB + 1, 256 * KiB, 10 * MiB].map((atMost) => {
      const buffer = share.take(atMost);
      share.give(buffer);
      return buffer.length;
    }),
    [64 * KiB, 64 * KiB, 128 * KiB, 256 * KiB, MiB],
  );
});

test("a buffer that is given back is used again, one that is dropped never", (t) => {
  const share = new TransferMemory().join(PLAN);
  const first = share.take();
  share.give(first);
  const second = share.take();
  t.is(second, first);
  share.drop(second);
  t.not(share.take(), first);
});

test("who holds nothing always gets a buffer, however many there are", (t) => {
  const memory = new TransferMemory(MiB);
  const shares = Array.from({ length: 100 }, () => memory.join(PLAN));
  const buffers = shares.map((share) => share.tryTake());
  t.true(buffers.every((buffer) => buffer?.length === 64 * KiB));
  t.is(shares[0]?.tryTake(), undefined);
  t.is(memory.allocated, 100 * 64 * KiB);
  for (const [i, share] of shares.entries()) share.give(buffers[i] ?? t.fail());
  t.true(memory.allocated <= MiB);
});

test("memory from elsewhere counts, and makes room by letting go of what waits", (t) => {
  const memory = new TransferMemory(4 * MiB);
  const [downloads, uploads] = [memory.join(PLAN), memory.join(PLAN)];
  const buffers = [downloads.take(), downloads.take()];
  for (const buffer of buffers) downloads.give(buffer);
  uploads.hold(2 * MiB);
  t.true(uploads.fits);
  uploads.hold(MiB);
  t.false(uploads.fits);
  t.true(memory.allocated <= 4 * MiB);
  uploads.letGo(3 * MiB);
  uploads.hold(1);
  t.true(uploads.fits);
});

test("whatever transfers do, all of it stays within the budget, but for the smallest buffers", (t) => {
  const step = fc.tuple(fc.nat(19), fc.constantFrom("take", "give", "drop", "leave"), fc.nat(2 * MiB));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const memory = new TransferMemory(2 * MiB);
      const transfers: { share: Share; held: Buffer[] }[] = [];
      for (const [which, what, atMost] of steps) {
        transfers[which] ??= { share: memory.join(PLAN), held: [] };
        const { share, held } = transfers[which];
        const buffer = what === "take" ? share.tryTake(atMost) : held.pop();
        if (what === "take" && buffer !== undefined) held.push(buffer);
        if (what === "take" && held.length === 0) return false;
        if (what === "give" && buffer !== undefined) share.give(buffer);
        if ((what === "drop" || what === "leave") && buffer !== undefined) share.drop(buffer);
      }
      const used = transfers.flatMap(({ held }) => held);
      return new Set(used).size === used.length && memory.allocated <= 2 * MiB + 20 * 64 * KiB;
    }),
  );
  t.pass();
});
