import { utimes } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { relieve } from "../../src/registry/gc/relief.ts";
import { bytesOf, KiB, openStore, store } from "../blobs/samples.ts";

test("a full disk is relieved of what is quarantined, then of what is in the trash, oldest first, and of no more than it takes", async (t) => {
  const { blobs, directory } = await openStore(t, { durability: "os" });
  const digests = [];
  for (const seed of [1, 2, 3, 4]) digests.push((await store(blobs, bytesOf(seed, KiB))).digest);
  for (const [at, digest] of digests.entries()) {
    const { handle, quarantine } = (await blobs.inspect(digest)) ?? t.fail();
    if (at < 2) await quarantine();
    else await blobs.discard(digest);
    await handle.close();
    // The one that is moved first is the youngest.
    const when = new Date(Date.now() - at * 60_000);
    const place = at < 2 ? "quarantine" : "trash";
    await utimes(join(directory, place, ...digest.split(":")), when, when);
  }
  const left = async () => [
    ...(await Array.fromAsync(blobs.quarantined())).map(({ digest }) => digest),
    ...(await Array.fromAsync(blobs.discarded())).map(({ digest }) => digest),
  ];
  t.is(await relieve(blobs), 0);
  const [first, , third, fourth] = digests;
  for (const [rounds, expected] of [
    [1, [first, third, fourth]],
    [2, [third]],
  ] as const) {
    let asked = 0;
    // As often as it is asked beforehand, and after each but the last.
    Object.assign(blobs, { short: async () => asked++ < rounds });
    t.is(await relieve(blobs), rounds);
    t.deepEqual((await left()).sort(), [...expected].sort());
  }
});
