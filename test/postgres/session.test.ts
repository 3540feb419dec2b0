import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { isLayerdError } from "../../src/core/errors.ts";
import { Session } from "../../src/postgres/session.ts";
import { database, query } from "../tools/database.ts";
import { eventually } from "../tools/eventually.ts";

function session(t: ExecutionContext, url: string): Session {
  const opened = new Session({ url, onLost: () => undefined });
  t.teardown(() => opened.close());
  return opened;
}

/** The processes of the database that serve sessions. */
async function backends(url: string): Promise<number[]> {
  const here = new URL(url).pathname.slice(1);
  const found = `select pid from pg_stat_activity where datname = '${here}' and application_name = 'layerd session'`;
  return (await query(url, found)).map(Number);
}

test("a connection that was lost does not take with it the one that comes after it", async (t) => {
  const url = await database();
  const [one, other] = [session(t, url), session(t, url)];
  const lost = (await one.tryLock("first")) ?? t.fail();
  // At once, while the end of the lost one is still on its way.
  const again = new Promise<Awaited<ReturnType<Session["tryLock"]>>>((resolve, reject) => {
    lost.signal.addEventListener("abort", () => void one.tryLock("second").then(resolve, reject));
  });
  const [pid] = await backends(url);
  await query(url, `select pg_terminate_backend(${pid})`);
  const lock = (await again) ?? t.fail();
  t.is(await other.tryLock("second"), undefined);
  t.false(lock.signal.aborted);
});

test("a lock whose answer came too late is nobody's", async (t) => {
  const url = await database();
  const [one, other] = [session(t, url), session(t, url)];
  await (await one.tryLock("some"))?.release();
  const [pid = t.fail()] = await backends(url);
  process.kill(pid, "SIGSTOP");
  try {
    t.true(isLayerdError(await t.throwsAsync(one.tryLock("some")), "UNAVAILABLE"));
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await eventually(async () => (await other.tryLock("some")) !== undefined);
});

test("a connection that does not get as far as to be used is ended", async (t) => {
  const url = new URL(await database());
  const port = Number(url.port);
  const accepted: Socket[] = [];
  const silenced = createServer((socket) => {
    accepted.push(socket);
    const there = connect(port, "127.0.0.1");
    socket.on("close", () => there.destroy()).on("error", () => undefined);
    socket.on("data", (bytes) => bytes.includes("listen") || there.write(bytes));
    there.pipe(socket).on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(silenced, "listening");
  t.teardown(() => {
    for (const socket of accepted) socket.destroy();
    silenced.close();
  });
  url.port = String((silenced.address() as AddressInfo).port);
  t.true(isLayerdError(await t.throwsAsync(session(t, url.href).tryLock("some")), "UNAVAILABLE"));
  t.is(accepted.length, 1);
  await eventually(async () => accepted[0]?.destroyed === true);
});
