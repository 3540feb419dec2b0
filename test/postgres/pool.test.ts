import test, { type ExecutionContext } from "ava";
import type pg from "pg";
import { openPool, type PoolOptions } from "../../src/postgres/pool.ts";
import { Session } from "../../src/postgres/session.ts";
import { database, query } from "../tools/database.ts";
import { TcpProxy } from "../tools/tcp-proxy.ts";

function pool(t: ExecutionContext, url: string, durability: PoolOptions["durability"]): pg.Pool {
  const opened = openPool({ url, connections: 1, durability, onLost: (error) => t.fail(error.message) });
  t.teardown(() => opened.end());
  return opened;
}

async function setting(opened: pg.Pool, name: string): Promise<unknown> {
  return (await opened.query("select current_setting($1) as value", [name])).rows[0]?.value;
}

test("what is committed is on the disk, however the database and its URL are set up", async (t) => {
  const url = await database();
  await query(url, `alter database ${new URL(url).pathname.slice(1)} set synchronous_commit to off`);
  t.is(await setting(pool(t, url, "os"), "synchronous_commit"), "off");
  t.is(await setting(pool(t, url, "full"), "synchronous_commit"), "on");

  const options = "-c synchronous_commit=off -c work_mem=7MB";
  const full = pool(t, `${url}?options=${encodeURIComponent(options)}`, "full");
  t.is(await setting(full, "synchronous_commit"), "on");
  t.is(await setting(full, "work_mem"), "7MB");
});

test("connections to a database that vanished can be ended", async (t) => {
  const url = new URL(await database());
  const proxy = await TcpProxy.start(Number(url.port));
  t.teardown(() => proxy.close());
  url.port = String(proxy.port);
  const onLost = () => undefined;
  const vanishing = openPool({ url: url.href, connections: 2, durability: "full", onLost });
  const session = new Session({ url: url.href, onLost });
  await vanishing.query("select");
  await session.tryLock("some");
  proxy.cut();
  await Promise.all([vanishing.end(), session.close()]);
  t.is(vanishing.totalCount, 0);
});
