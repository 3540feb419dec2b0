import test from "ava";
import { isLayerdError } from "../../src/core/errors.ts";
import type { Index } from "../../src/index/port.ts";
import { openPostgresIndex } from "../../src/index/postgres/postgres.ts";
import { digest, LIBRARY, link, put, transaction } from "../index/samples.ts";
import { database } from "../tools/database.ts";

const BLOBS = 400;

/** Takes a link away, as garbage collection does. @returns whether it went */
async function collect(index: Index, n: number): Promise<boolean> {
  const blob = digest(n);
  const requires = [
    { type: "blobUnused", digest: blob },
    { type: "unpromised", digest: blob },
  ] as const;
  try {
    await index.apply(LIBRARY, { who: "gc", changes: [{ type: "blobUnlinked", digest: blob }], requires });
    return true;
  } catch (error) {
    if (isLayerdError(error, "PRECONDITION_FAILED")) return false;
    throw error;
  }
}

/** Tries it with every blob, four at a time, in an order of its own. @returns those with which it came true */
async function everyone(attempt: (n: number) => Promise<boolean>): Promise<Set<number>> {
  const numbers = Array.from({ length: BLOBS }, (_, n) => n);
  const waiting = numbers.map((n) => ({ n, place: Math.random() })).sort((a, b) => a.place - b.place);
  const came = new Set<number>();
  const worker = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (await attempt(next.n)) came.add(next.n);
    }
  };
  await Promise.all([1, 2, 3, 4].map(worker));
  return came;
}

test("what one server tells a client is here, another one does not collect: whoever is first", async (t) => {
  const url = await database();
  const options = { url, connections: 10, durability: "os" } as const;
  const [server, collector] = [await openPostgresIndex(options), await openPostgresIndex(options)];
  for (let n = 0; n < BLOBS; n += 50) {
    await server.apply(LIBRARY, transaction(Array.from({ length: 50 }, (_, at) => link(digest(n + at)))));
  }
  await collector.agePromises();
  await collector.agePromises();
  const [found, collected] = await Promise.all([
    everyone(async (n) => (await server.blob(LIBRARY, digest(n), { promise: true })) !== undefined),
    everyone((n) => collect(collector, n)),
  ]);
  for (let n = 0; n < BLOBS; n += 1) {
    t.not(
      found.has(n),
      collected.has(n),
      `blob ${n} was found: ${found.has(n)}, and went: ${collected.has(n)}`,
    );
  }
  t.true(found.size > 0 && collected.size > 0);
  // A client that was told so names it now.
  for (let n = 0; n < BLOBS; n += 1) {
    const requires = [{ type: "blobsLinked", digests: [digest(n)] }] as const;
    const naming = server.apply(LIBRARY, transaction([put(digest(1000 + n), [digest(n)])], requires));
    if ((await server.blob(LIBRARY, digest(n))) === undefined) await t.throwsAsync(naming);
    else await t.notThrowsAsync(naming);
  }
  await server.close();
  await collector.close();
});

test("a generation lasts as long as it should, however many servers would end it", async (t) => {
  const url = await database();
  const options = { url, connections: 2, durability: "os" } as const;
  const servers = await Promise.all([1, 2, 3].map(() => openPostgresIndex(options)));
  const [first] = servers;
  await first?.apply(LIBRARY, transaction([link(digest(1))]));
  for (const server of servers) await server.agePromises(60_000);
  t.true(await first?.isPromised(digest(1)));
  for (const server of servers) await server.agePromises();
  t.false(await first?.isPromised(digest(1)));
  await Promise.all(servers.map((server) => server.close()));
});
