import test from "ava";
import { LocalHolds } from "../../src/cluster/local-holds.ts";
import { digest } from "../index/samples.ts";

const discarded = async () => "discarded";

test("what is held is not discarded, by however many it is held", async (t) => {
  const holds = new LocalHolds();
  const first = holds.open();
  const second = holds.open();
  first.add(digest(1));
  first.add(digest(1));
  second.add(digest(1));
  t.is(await holds.unlessHeld(digest(1), discarded), undefined);
  t.is(await holds.unlessHeld(digest(2), discarded), "discarded");
  first[Symbol.dispose]();
  t.is(await holds.unlessHeld(digest(1), discarded), undefined);
  second[Symbol.dispose]();
  t.is(await holds.unlessHeld(digest(1), discarded), "discarded");
});

test("what has been held since the collection began is not discarded by it", async (t) => {
  const holds = new LocalHolds();
  const before = holds.open();
  before.add(digest(1));
  holds.remember();
  before[Symbol.dispose]();
  const meanwhile = holds.open();
  meanwhile.add(digest(2));
  meanwhile[Symbol.dispose]();
  t.is(await holds.unlessHeld(digest(1), discarded), undefined);
  t.is(await holds.unlessHeld(digest(2), discarded), undefined);
  holds.remember();
  t.is(await holds.unlessHeld(digest(1), discarded), "discarded");
});

test("who holds what is just being discarded waits until it is gone, also when that fails", async (t) => {
  for (const fails of [false, true]) {
    const holds = new LocalHolds();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leaving = holds.unlessHeld(digest(1), () => promise);
    using hold = holds.open();
    t.is(hold.add(digest(2)), undefined);
    let waited = false;
    const added = hold.add(digest(1))?.then(() => {
      waited = true;
    });
    await new Promise((turn) => setImmediate(turn));
    t.false(waited);
    if (fails) reject(new Error("the disk"));
    else resolve();
    await added;
    if (fails) await t.throwsAsync(leaving, { message: "the disk" });
    else await leaving;
    t.is(await holds.unlessHeld(digest(1), discarded), undefined);
  }
});

test("what is just being discarded is not discarded by another, so that who waits waits for all", async (t) => {
  const holds = new LocalHolds();
  const { promise, resolve } = Promise.withResolvers<string>();
  const first = holds.unlessHeld(digest(1), () => promise);
  t.is(await holds.unlessHeld(digest(1), discarded), undefined);
  resolve("by the first");
  t.is(await first, "by the first");
  t.is(await holds.unlessHeld(digest(1), discarded), "discarded");
});
