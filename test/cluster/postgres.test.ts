import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type pg from "pg";
import type { Cluster, Turn } from "../../src/cluster/port.ts";
import { PostgresHolds } from "../../src/cluster/postgres/holds.ts";
import { PostgresLocks } from "../../src/cluster/postgres/locks.ts";
import { createPostgresCluster } from "../../src/cluster/postgres/postgres.ts";
import { postgresScrubNotes } from "../../src/cluster/postgres/scrub-notes.ts";
import { isLayerdError } from "../../src/core/errors.ts";
import { createPostgresIndex } from "../../src/index/postgres/postgres.ts";
import { openPool } from "../../src/postgres/pool.ts";
import { Session } from "../../src/postgres/session.ts";
import { settleSchema } from "../../src/postgres/start.ts";
import { digest } from "../index/samples.ts";
import { database, query } from "../tools/database.ts";
import { eventually } from "../tools/eventually.ts";

/** One of the servers that share a database. */
function server(t: ExecutionContext, url: string) {
  const onLost = () => undefined;
  const pool = openPool({ url, connections: 4, durability: "full", onLost });
  const session = new Session({ url, onLost });
  const holds = new PostgresHolds({ pool, discarding: pool });
  t.teardown(async () => {
    await session.close();
    await pool.end();
  });
  return {
    pool,
    holds,
    locks: new PostgresLocks(session),
    cluster: createPostgresCluster({ pool, session, holds }),
    index: createPostgresIndex({ pool }),
    /** Ends the connection that its locks are of. */
    cutOff: () => query(url, terminate("layerd session", url)),
  };
}

function terminate(application: string, url: string): string {
  const name = new URL(url).pathname.slice(1);
  return `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and application_name = '${application}'`;
}

async function servers(t: ExecutionContext, count: number) {
  const url = await database();
  await settleSchema(url);
  return Array.from({ length: count }, () => server(t, url)) as [
    ReturnType<typeof server>,
    ReturnType<typeof server>,
  ];
}

test("what one server holds, another does not discard", async (t) => {
  const [one, other] = await servers(t, 2);
  using hold = one.holds.open();
  await other.holds.remember();
  await hold.add(digest(1));
  t.is(await other.holds.unlessHeld(digest(1), async () => t.fail()), undefined);
  t.is(await other.holds.unlessHeld(digest(2), async () => "gone"), "gone");
});

test("who wants to hold what is just being discarded waits until it is gone", async (t) => {
  const [one, other] = await servers(t, 2);
  const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
  const order: string[] = [];
  const discarded = other.holds.unlessHeld(digest(1), async () => {
    order.push("discarding");
    await held;
    order.push("gone");
    return true;
  });
  await eventually(async () => order.length === 1);
  using hold = one.holds.open();
  const added = Promise.resolve(hold.add(digest(1))).then(() => order.push("held"));
  await delay(100);
  goOn();
  await Promise.all([discarded, added]);
  t.deepEqual(order, ["discarding", "gone", "held"]);
});

test("a slow disk makes those wait who discard, for longer than a connection may be waited for", async (t) => {
  const [one] = await servers(t, 1);
  const going: (() => void)[] = [];
  const slow = () => new Promise<string>((resolve) => going.push(() => resolve("gone")));
  // One more than there are connections.
  const discarded = Promise.all([1, 2, 3, 4, 5].map((n) => one.holds.unlessHeld(digest(n), slow)));
  await eventually(async () => going.length === 4);
  await delay(6000);
  for (const go of going) go();
  await eventually(async () => going.length === 5);
  going[4]?.();
  t.deepEqual(await discarded, Array(5).fill("gone"));
});

test("a hold lasts as long as a promise does", async (t) => {
  const [one, other] = await servers(t, 2);
  using hold = one.holds.open();
  await hold.add(digest(1));
  await one.index.agePromises();
  t.is(await other.holds.unlessHeld(digest(1), async () => "gone"), undefined);
  await other.index.agePromises();
  t.is(await other.holds.unlessHeld(digest(1), async () => "gone"), "gone");
});

test("a collection during which holds may have ended discards nothing more", async (t) => {
  const [one, other] = await servers(t, 2);
  await other.holds.remember();
  await one.index.agePromises();
  t.is(await other.holds.unlessHeld(digest(1), async () => "gone"), "gone");
  await one.index.agePromises();
  const error = await t.throwsAsync(other.holds.unlessHeld(digest(2), async () => t.fail()));
  t.true(isLayerdError(error, "UNAVAILABLE"));
  t.regex(error.message, /raise gcGrace/);
  other.holds.forget();
});

test("what was discarded after the lock was lost is brought back", async (t) => {
  const [one, other] = await servers(t, 2);
  let restored = false;
  const discarding = other.holds.unlessHeld(
    digest(1),
    async () => {
      await terminateAll(one.pool);
      using hold = one.holds.open();
      await hold.add(digest(1));
    },
    async () => {
      restored = true;
    },
  );
  t.true(isLayerdError(await t.throwsAsync(discarding), "UNAVAILABLE"));
  t.true(restored);
});

async function terminateAll(pool: pg.Pool): Promise<void> {
  await pool.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
  );
}

/** Resolves when the duty is being done, until `end`. */
async function begun<T>(cluster: Cluster, end: Promise<T>): Promise<{ readonly turn: Promise<Turn<T>> }> {
  return await new Promise((resolve) => {
    const turn: Promise<Turn<T>> = cluster.alone({ name: "gc" }, async (signal) => {
      resolve({ turn });
      return await Promise.race([end, aborted(signal)]);
    });
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

test("a duty is done by one server at a time", async (t) => {
  const [one, other] = await servers(t, 2);
  const { promise: done, resolve: finish } = Promise.withResolvers<string>();
  const first = await begun(one.cluster, done);
  t.true("dueIn" in (await other.cluster.alone({ name: "gc" }, async () => t.fail())));
  t.deepEqual(await other.cluster.alone({ name: "scrub" }, async () => "another"), { result: "another" });
  finish("done");
  t.deepEqual(await first.turn, { result: "done" });
  t.deepEqual(await other.cluster.alone({ name: "gc" }, async () => "next"), { result: "next" });
});

test("what was done a moment ago is not due, whoever did it", async (t) => {
  const [one, other] = await servers(t, 2);
  const hour = 3_600_000;
  await one.cluster.alone({ name: "gc", every: hour }, async () => undefined);
  const turn = await other.cluster.alone({ name: "gc", every: hour }, async () => t.fail());
  t.true("dueIn" in turn && turn.dueIn > hour - 60_000 && turn.dueIn <= hour);
  t.deepEqual(await other.cluster.alone({ name: "gc" }, async () => "by hand"), { result: "by hand" });
  await eventually(
    async () => "result" in (await other.cluster.alone({ name: "gc", every: 1 }, async () => "due")),
  );
});

test("a duty that fails is due at once, and its lock is free", async (t) => {
  const [one, other] = await servers(t, 2);
  const fails = one.cluster.alone({ name: "gc", every: 1000 }, async () => {
    throw new Error("no");
  });
  await t.throwsAsync(fails, { message: "no" });
  t.deepEqual(await other.cluster.alone({ name: "gc", every: 1000 }, async () => 1), { result: 1 });
});

test("who loses the connection is told, and another one may take over", async (t) => {
  const [one, other] = await servers(t, 2);
  const lost = await begun(one.cluster, new Promise(() => undefined));
  await one.cutOff();
  t.true(isLayerdError(await t.throwsAsync(lost.turn), "UNAVAILABLE"));
  await eventually(async () => "result" in (await other.cluster.alone({ name: "gc" }, async () => 1)));
  t.deepEqual(await one.cluster.alone({ name: "gc" }, async () => 2), { result: 2 });
});

test("a lock is handed over when another server asks for it", async (t) => {
  const [one, other] = await servers(t, 2);
  const lock = await one.locks.take("upload 1");
  lock.signal.addEventListener("abort", () => void lock.release());
  const taken = await other.locks.take("upload 1");
  t.true(lock.signal.aborted);
  t.false(taken.signal.aborted);
  await taken.release();
  await (await one.locks.take("upload 1")).release();
});

test("a lock that is not let go of is not to be had", async (t) => {
  const [one, other] = await servers(t, 2);
  await one.locks.take("upload 1");
  for (const { locks } of [other, one]) {
    const error = await t.throwsAsync(locks.take("upload 1"));
    t.true(isLayerdError(error, "UNAVAILABLE"));
  }
});

test("how far a scrub has come, every server knows", async (t) => {
  const [one, other] = await servers(t, 2);
  const [mine, theirs] = [postgresScrubNotes(one.pool), postgresScrubNotes(other.pool)];
  t.deepEqual(await theirs.read(), {});
  await mine.write({ after: digest(1) });
  t.deepEqual(await theirs.read(), { after: digest(1) });
  await one.cluster.alone({ name: "scrub", every: 1 }, async () => undefined);
  const finishedAt = new Date().toISOString();
  await theirs.write({ finishedAt });
  t.deepEqual(await mine.read(), { finishedAt });
});
