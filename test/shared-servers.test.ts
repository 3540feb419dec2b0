import { randomBytes } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { run } from "./cli/command.ts";
import { Client, imageOf, sha256 } from "./http/v2/client.ts";
import { database } from "./tools/database.ts";
import { eventually } from "./tools/eventually.ts";
import { storedFiles } from "./tools/files.ts";
import { type ServerProcess, spawnServer } from "./tools/process.ts";
import { temporaryDirectory, unfinishedUploads } from "./tools/server.ts";

/* Two real servers with one database and one data directory, and clients that come to either. */

const MiB = 1024 * 1024;

interface Pair {
  readonly servers: readonly [ServerProcess, ServerProcess];
  readonly clients: readonly [Client, Client];
  readonly data: string;
  readonly index: string;
}

async function pair(t: ExecutionContext, ...args: string[]): Promise<Pair> {
  const [data, index] = [join(await temporaryDirectory(t), "data"), await database()];
  const all = ["--data", data, "--index", index, "--min-free", "0", ...args];
  const servers = await Promise.all([spawnServer(t, all), spawnServer(t, all)]);
  return { servers, clients: [new Client(servers[0].url), new Client(servers[1].url)], data, index };
}

const RANGE = (from: number, to: number) => ({ "Content-Range": `${from}-${to - 1}` });

async function got(client: Client, digest: string): Promise<string> {
  const answer = await client.send("GET", `blobs/${digest}`);
  return answer.status === 200 ? sha256(Buffer.from(await answer.arrayBuffer())) : String(answer.status);
}

test.serial("an upload goes on at whichever server its next part comes to", async (t) => {
  const { clients, data } = await pair(t);
  for (const [size, parts] of [
    [100, 2],
    [3 * MiB + 17, 7],
  ] as const) {
    const bytes = randomBytes(size);
    let location: string | null = await clients[0].open();
    const step = Math.ceil(size / parts);
    for (let at = 0, turn = 1; at < size; at += step, turn += 1) {
      const client = clients[turn % 2] ?? t.fail();
      const end = Math.min(at + step, size);
      const patched = await client.follow("PATCH", location, bytes.subarray(at, end), RANGE(at, end));
      t.is(patched.status, 202, await patched.clone().text());
      t.is(patched.headers.get("range"), `0-${end - 1}`);
      location = patched.headers.get("location");
    }
    // Who has it open is asked where it stands by way of the other, too.
    for (const client of clients) t.is((await client.follow("GET", location)).status, 204);
    const put = await clients[1].follow("PUT", `${location}?digest=${sha256(bytes)}`);
    t.is(put.status, 201, await put.text());
    for (const client of clients) t.is(await got(client, sha256(bytes)), sha256(bytes));
  }
  t.deepEqual(await unfinishedUploads(data), []);
});

test.serial("PUT with ranges goes on at the other server", async (t) => {
  const { servers, clients, data } = await pair(t);
  const bytes = randomBytes(2 * MiB);
  const path = `/layer/${sha256(bytes)}`;
  for (let at = 0, turn = 0; at < bytes.length; at += MiB / 4, turn += 1) {
    const { url } = servers[turn % 2] ?? t.fail();
    const end = at + MiB / 4;
    const headers = { "Content-Range": `bytes ${at}-${end - 1}/${bytes.length}` };
    const put = await fetch(url + path, { method: "PUT", body: bytes.subarray(at, end), headers });
    t.is(put.status, end === bytes.length ? 201 : 202, await put.text());
  }
  for (const client of clients) {
    const answer = await fetch(client.url + path);
    t.is(sha256(Buffer.from(await answer.arrayBuffer())), sha256(bytes));
  }
  t.deepEqual(await unfinishedUploads(data), []);
});

test.serial(
  "a transfer that hangs at one server makes way for the client that has come to the other",
  async (t) => {
    const { servers, clients, data } = await pair(t);
    const bytes = randomBytes(2 * MiB);
    const location = new URL(await clients[0].open(), servers[0].url);
    const hanging = await hang(t, location, bytes, MiB);
    await eventually(async () => (await bytesOfUploads(data)) === MiB);
    t.is(await sizeOf(clients[1], location.pathname), MiB);
    t.regex(await hanging.answered, /^HTTP\/1.1 503 /);
    await finish(t, clients[1], location.pathname, bytes);
  },
);

/** Sends the first bytes of a PATCH, and no more. Resolves when they are on their way. */
async function hang(
  t: ExecutionContext,
  url: URL,
  bytes: Buffer,
  count: number,
): Promise<{ answered: Promise<string> }> {
  const socket = connect(Number(url.port), url.hostname);
  t.teardown(() => socket.destroy());
  const answered = new Promise<string>((resolve) => {
    socket.once("data", (chunk) => resolve(String(chunk)));
    socket.once("error", (error) => resolve(String(error)));
    socket.once("close", () => resolve("closed"));
  });
  const head = [
    "Host: localhost",
    `Content-Length: ${bytes.length}`,
    "Content-Type: application/octet-stream",
  ];
  socket.write(`PATCH ${url.pathname} HTTP/1.1\r\n${head.join("\r\n")}\r\n\r\n`);
  await new Promise((resolve) => socket.write(bytes.subarray(0, count), resolve));
  return { answered };
}

async function sizeOf(client: Client, location: string): Promise<number> {
  const asked = await client.follow("GET", location);
  const [, last = "-1"] = asked.headers.get("range")?.split("-") ?? [];
  return asked.status === 204 ? Number(last) + 1 : 0;
}

async function finish(t: ExecutionContext, client: Client, location: string, bytes: Buffer): Promise<void> {
  const at = await sizeOf(client, location);
  const headers = RANGE(at, bytes.length);
  const patched = await client.follow("PATCH", location, bytes.subarray(at), headers);
  t.is(patched.status, 202, await patched.clone().text());
  const digest = sha256(bytes);
  const put = await client.follow("PUT", `${patched.headers.get("location")}?digest=${digest}`);
  t.is(put.status, 201, await put.text());
  t.is(await got(client, digest), digest);
}

test.serial("when a server is killed in the middle of an upload, the other goes on", async (t) => {
  const { servers, clients, data } = await pair(t);
  const bytes = randomBytes(40 * MiB);
  const location = new URL(await clients[0].open(), servers[0].url);
  const first = 3 * MiB;
  const told = await clients[0].follow("PATCH", location.pathname, bytes.subarray(0, first), RANGE(0, first));
  t.is(told.status, 202);
  await hang(t, location, bytes.subarray(first), 20 * MiB);
  // More than was told has reached the disk.
  await eventually(async () => (await bytesOfUploads(data)) > first + 10 * MiB);
  await servers[0].kill();
  t.true((await sizeOf(clients[1], location.pathname)) > first + 10 * MiB);
  await finish(t, clients[1], location.pathname, bytes);
  t.deepEqual(await unfinishedUploads(data), []);
});

async function bytesOfUploads(data: string): Promise<number> {
  const names = await readdir(join(data, "uploads"));
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(data, "uploads", name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return Math.max(0, ...sizes);
}

test.serial("the same layer pushed to both at once is stored once, and both are told so", async (t) => {
  const { clients, data } = await pair(t);
  for (const size of [10, 100_000, 5 * MiB]) {
    const bytes = randomBytes(size);
    const pushes = clients.flatMap((client) => [client.pushBlob(bytes), client.pushBlob(bytes)]);
    t.deepEqual(await Promise.all(pushes), Array(4).fill(sha256(bytes)));
    for (const client of clients) t.is(await got(client, sha256(bytes)), sha256(bytes));
  }
  t.deepEqual(await storedFiles.wrong(data), []);
});

test.serial("what is deleted at one server is unknown at the other at once", async (t) => {
  const { clients } = await pair(t, "--no-gc");
  const [one, other] = clients;
  for (let time = 0; time < 10; time += 1) {
    const layer = `small ${time}`;
    const manifest = await one.pushImage(layer, { tag: "v" });
    // In the cache of both.
    for (const client of clients) t.is(await got(client, sha256(layer)), sha256(layer));
    t.is(await (await other.send("GET", "manifests/v")).text(), manifest);
    t.is(await one.status("DELETE", `manifests/${sha256(manifest)}`), 202);
    t.is(await other.status("GET", "manifests/v"), 404);
    t.is(await other.status("GET", `manifests/${sha256(manifest)}`), 404);
    t.is(await one.status("DELETE", `blobs/${sha256(layer)}`), 202);
    t.is(await other.status("GET", `blobs/${sha256(layer)}`), 404);
    t.is(await other.status("HEAD", `blobs/${sha256(layer)}`), 404);
  }
});

const GRACE = 500;
const CHURN_FOR = 6000;

test.serial("while both collect garbage, nothing that was acknowledged is lost", async (t) => {
  const gc = ["--gc-interval", "50ms", "--gc-grace", `${GRACE}ms`, "--trash-ttl", "1ms"];
  const { servers, data } = await pair(t, ...gc);
  const layers = Array.from({ length: 6 }, (_, i) => randomBytes(i % 2 === 0 ? 200 : 300_000));
  const until = Date.now() + CHURN_FOR;
  const kept: { readonly name: string; readonly layer: Buffer }[] = [];
  let acknowledged = 0;
  const worker = async (who: number) => {
    for (let n = 0; Date.now() < until; n += 1) {
      const layer = layers[(who + n) % layers.length] ?? t.fail();
      const [here, there] = n % 2 === 0 ? servers : [servers[1], servers[0]];
      const name = `worker-${who}/${n}`;
      // Between its blob and its manifest more than the grace may pass: then it is told so, and no harm is done.
      const manifest = await new Client(here.url, name)
        .pushImage(layer as never, { tag: "v" })
        .catch(refusal);
      if (manifest === undefined) continue;
      acknowledged += 1;
      await pulled(t, new Client(there.url, name), layer);
      if (n % 3 === 0) kept.push({ name, layer });
      else await new Client(there.url, name).send("DELETE", `manifests/${sha256(manifest)}`);
    }
  };
  await Promise.all([0, 1, 2, 3, 4].map(worker));
  t.true(acknowledged > 20, `${acknowledged} images`);
  for (const { url } of servers) {
    for (const { name, layer } of kept) await pulled(t, new Client(url, name), layer);
  }
  t.deepEqual(await storedFiles.wrong(data), []);
  t.log(`${acknowledged} images, ${kept.length} kept`);
});

/** What may be answered to a push that has taken too long; anything else is a fault. */
function refusal(error: Error): undefined {
  if (!/MANIFEST_BLOB_UNKNOWN|UNAVAILABLE/.test(error.message)) throw error;
}

async function pulled(t: ExecutionContext, client: Client, layer: Buffer): Promise<void> {
  const manifest = await client.send("GET", "manifests/v");
  t.is(await manifest.text(), imageOf(layer), client.name);
  t.is(await got(client, sha256(layer)), sha256(layer), client.name);
}

test.serial("who wants the directory for itself is refused while servers share it", async (t) => {
  const { data, index } = await pair(t);
  const alone = run(t, ["serve", "--port", "0", "--data", data]);
  const repair = run(t, ["check", "--repair", "--data", data, "--index", index]);
  for (const { code, stderr } of [await alone, await repair]) {
    t.is(code, 1);
    t.regex(stderr, /is in use by processes that share it \(the last to come was process /);
  }
  const checked = await run(t, ["check", "--data", data, "--index", index]);
  t.is(checked.code, 0, checked.stderr);
});
