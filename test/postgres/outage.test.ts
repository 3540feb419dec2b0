import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { digestOf } from "../../src/core/digest.ts";
import { Client, IMAGE_CONFIG, imageOf, MANIFEST } from "../http/v2/client.ts";
import { eventually } from "../tools/eventually.ts";
import { Postgres, query } from "../tools/postgres.ts";
import { startServer } from "../tools/server.ts";

/** A server whose database can be taken away. */
async function serveOn(t: ExecutionContext) {
  const postgres = await Postgres.start();
  t.teardown(() => postgres.remove());
  const index = await postgres.database();
  const server = await startServer(t, { index });
  return { postgres, index, client: new Client(server.url), ...server };
}

async function push(client: Client, layer: string, tag: string): Promise<number> {
  for (const body of [IMAGE_CONFIG, layer]) {
    const posted = await client.send("POST", `blobs/uploads/?digest=${digestOf(Buffer.from(body))}`, body);
    if (posted.status !== 201) return posted.status;
  }
  const pushed = await client.send("PUT", `manifests/${tag}`, imageOf(layer), { "Content-Type": MANIFEST });
  return pushed.status;
}

test("while the database is away, everything that needs it is asked to come again, and then goes on", async (t) => {
  const { postgres, client, url } = await serveOn(t);
  t.is(await push(client, "first", "v1"), 201);
  await postgres.stop("SIGQUIT");
  for (const path of ["manifests/v1", "tags/list", `blobs/${digestOf(Buffer.from("first"))}`]) {
    const answer = await client.send("GET", path);
    t.is(answer.status, 503, path);
    t.is(answer.headers.get("Retry-After"), "5");
  }
  t.is(await push(client, "second", "v2"), 503);
  t.is((await fetch(`${url}/readyz`)).status, 503);
  t.is((await fetch(`${url}/healthz`)).status, 200);
  await postgres.start();
  t.is((await fetch(`${url}/readyz`)).status, 200);
  t.is(await (await client.send("GET", "manifests/v1")).text(), imageOf("first"));
  t.is((await client.send("GET", "manifests/v2")).status, 404);
  t.is(await push(client, "second", "v2"), 201);
});

test("a database that can only be read serves what needs no more, and says so where it does", async (t) => {
  const { client, index } = await serveOn(t);
  t.is(await push(client, "first", "v1"), 201);
  // Whoever reads a manifest is promised what it names, which is written down once in a while.
  t.is((await client.send("GET", "manifests/v1")).status, 200);
  await makeReadOnly(index, true);
  const refused = await client.send("PUT", "manifests/v2", imageOf("first"), { "Content-Type": MANIFEST });
  t.is(refused.status, 503);
  t.is(refused.headers.get("Retry-After"), "5");
  t.regex(await refused.text(), /the database is read-only; try again/);
  t.is((await client.send("GET", "manifests/v1")).status, 200);
  t.is((await client.send("GET", "tags/list")).status, 200);
  await makeReadOnly(index, false);
  t.is(await push(client, "first", "v2"), 201);
});

/** As a standby is. Sessions are told by ending them. */
async function makeReadOnly(url: string, readOnly: boolean): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  const writable = `${url}?options=-c%20default_transaction_read_only%3Doff`;
  await query(writable, `alter database "${name}" set default_transaction_read_only = ${readOnly}`);
  const others = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and pid <> pg_backend_pid()`;
  await query(writable, others);
}

test("what was acknowledged is there, whenever the database goes down and comes back", async (t) => {
  const { postgres, client } = await serveOn(t);
  const acknowledged = new Set<string>();
  const failed = new Set<number>();
  let done = false;
  const pusher = async (who: number) => {
    for (let n = 0; !done; n += 1) {
      const tag = `t${who}-${n}`;
      const status = await push(client, `layer ${tag}`, tag);
      if (status === 201) acknowledged.add(tag);
      else failed.add(status);
      if (status !== 201) await delay(10);
    }
  };
  const pushers = [1, 2, 3, 4].map(pusher);
  for (let time = 0; time < 3; time += 1) {
    const enough = acknowledged.size + 10;
    await eventually(async () => acknowledged.size >= enough);
    await postgres.stop(time === 1 ? "SIGINT" : "SIGQUIT");
    await delay(50);
    await postgres.start();
  }
  const enough = acknowledged.size + 10;
  await eventually(async () => acknowledged.size >= enough);
  done = true;
  await Promise.all(pushers);
  t.deepEqual([...failed], [503]);
  for (const tag of acknowledged) {
    const pulled = await client.send("GET", `manifests/${tag}`);
    t.is(await pulled.text(), imageOf(`layer ${tag}`), tag);
  }
});
