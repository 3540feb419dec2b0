import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { digestOf } from "../src/core/digest.ts";
import { bytesOf } from "./blobs/samples.ts";
import { run } from "./cli/command.ts";
import { Client, INDEX, indexOf } from "./http/v2/client.ts";
import { database } from "./tools/database.ts";
import { readExposition } from "./tools/exposition.ts";
import { Postgres } from "./tools/postgres.ts";
import { CREDENTIALS, S3Server } from "./tools/s3-server.ts";
import { startServer } from "./tools/server.ts";
import { TcpProxy } from "./tools/tcp-proxy.ts";
import { requireTool } from "./tools/tools.ts";

// Too large to be kept in memory.
const BLOB = bytesOf(1, 100_000);
const PATH = `blobs/${digestOf(BLOB)}`;
const SMALL = bytesOf(3, 100);

/** A server whose bucket can be taken away, and one blob in it. */
async function serveOn(t: ExecutionContext, settings: { index?: string; idleTimeout?: number } = {}) {
  Object.assign(process.env, CREDENTIALS);
  const s3 = await S3Server.start();
  t.teardown(() => s3.remove());
  const network = await TcpProxy.start(s3.port);
  t.teardown(() => network.close());
  const { url, layerd } = await startServer(t, {
    index: await database(),
    ...settings,
    blobs: `s3://${s3.bucket()}`,
    s3Endpoint: `http://127.0.0.1:${network.port}`,
    s3PathStyle: true,
  });
  const client = new Client(url);
  t.is(await push(client, BLOB), 201);
  const ready = async () => (await fetch(`${url}/readyz`)).status;
  return { s3, network, client, ready, layerd, url };
}

async function push(client: Client, body: Buffer): Promise<number> {
  const { status } = await client.send("POST", `blobs/uploads/?digest=${digestOf(body)}`, body);
  return status;
}

test("while the bucket is away, what needs it is asked to come again, and then goes on", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { s3, client, ready } = await serveOn(t);
  const other = bytesOf(2, 100_000);
  t.is(await ready(), 200);
  await s3.stop();
  const read = await client.send("GET", PATH);
  t.is(read.status, 503);
  t.is(read.headers.get("Retry-After"), "5");
  t.is(await push(client, other), 503);
  t.is((await client.send("HEAD", `blobs/${digestOf(other)}`)).status, 404);
  t.is((await client.send("GET", "tags/list")).status, 200);
  t.is(await ready(), 503);
  await s3.start();
  t.is(await ready(), 200);
  t.true(Buffer.from(await (await client.send("GET", PATH)).arrayBuffer()).equals(BLOB));
  t.is(await push(client, other), 201);
});

test("a client whose bucket hangs is told to come again, before it is given up", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { network, client } = await serveOn(t);
  network.cut();
  const requests = [
    client.send("GET", PATH),
    client.send("POST", `blobs/uploads/?digest=${digestOf(SMALL)}`, SMALL),
    client.send("PUT", "manifests/v1", indexOf([]), { "Content-Type": INDEX }),
  ];
  for (const { status, headers } of await Promise.all(requests)) {
    t.is(status, 503);
    t.is(headers.get("Retry-After"), "5");
  }
  network.heal();
  t.is((await client.send("GET", PATH)).status, 200);
  t.is(await push(client, SMALL), 201);
});

test("a client waits for as long as the bucket takes to put an upload together", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { network, client } = await serveOn(t, { idleTimeout: 500 });
  const large = bytesOf(4, 9 * 1024 * 1024);
  const session = await client.open();
  const part = await client.follow("PATCH", session, large);
  t.is(part.status, 202);
  network.cut();
  const put = client.follow("PUT", `${session}?digest=${digestOf(large)}`);
  const pushed = client.send("POST", `blobs/uploads/?digest=${digestOf(SMALL)}`, SMALL);
  await delay(2000);
  network.heal();
  t.is((await put).status, 201);
  t.is((await pushed).status, 201);
});

test("a server whose bucket says nothing any more is not ready", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { network, ready, url } = await serveOn(t);
  network.cut();
  t.is(await ready(), 503);
  const { code, stderr } = await run(t, ["health", "--url", url]);
  t.is(code, 1);
  t.regex(stderr, /answers 503: .*the store does not answer/s);
  network.heal();
  t.is(await ready(), 200);
});

test("while the database is away, metrics that are in it are left out, and no others", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const postgres = await Postgres.start();
  t.teardown(() => postgres.remove());
  const { layerd } = await serveOn(t, { index: await postgres.database() });
  const begun = 'layerd_upload_sessions{state="begun"}';
  t.true(readExposition(await layerd.metrics()).has(begun));
  await postgres.stop("SIGQUIT");
  const metrics = readExposition(await layerd.metrics());
  t.false(metrics.has(begun));
  t.true((metrics.get("layerd_index_commits_total") ?? 0) > 0);
  await postgres.start();
  t.true(readExposition(await layerd.metrics()).has(begun));
});
