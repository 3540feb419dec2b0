import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { get } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { bytesOf, MiB } from "../blobs/samples.ts";
import { eventually } from "../tools/eventually.ts";
import { type ServerProcess, spawnServer } from "../tools/process.ts";
import { Random } from "../tools/random.ts";
import { temporaryDirectory, unfinishedUploads } from "../tools/server.ts";

/* Clients that mean no good, many at a time, against a real server: the others must not feel it. */

async function serve(t: ExecutionContext, ...args: string[]) {
  const data = join(await temporaryDirectory(t), "data");
  const server = await spawnServer(t, ["--data", data, "--durability", "os", ...args]);
  return { ...server, data, port: Number(new URL(server.url).port) };
}

async function open(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

/**
 * Connections that the server has accepted: one that the kernel had no room for, and over which nothing is sent, the
 * client takes for open and the server does not know.
 */
async function openMany(t: ExecutionContext, server: { port: number; url: string }, count: number) {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => open(t, server.port)))));
    // On a connection of its own, which is accepted after those.
    const [response] = await once(get(`${server.url}/healthz`, { agent: false }), "response");
    response.resume();
  }
  return sockets;
}

/** Resolves when the server has closed a connection, be it long ago. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.destroyed) await once(socket.resume(), "close");
}

/** Megabytes. */
async function resident({ child }: ServerProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

async function descriptors({ child }: ServerProcess): Promise<number> {
  return (await readdir(`/proc/${child.pid}/fd`)).length;
}

async function store(url: string, size: number): Promise<string> {
  const posted = await fetch(`${url}/layer`, { method: "POST", body: bytesOf(1, size) });
  return `${url}${posted.headers.get("location")}`;
}

test("two thousand connections that say nothing cost little, and are closed in the end", async (t) => {
  const server = await serve(t, "--idle-timeout", "3s");
  const layer = await store(server.url, 1000);
  const before = await resident(server);
  const sockets = await openMany(t, server, 2000);
  t.is((await fetch(layer)).status, 200);
  t.true((await resident(server)) - before < 100);
  await Promise.all(sockets.map(closed));
  await eventually(async () => (await descriptors(server)) < 100);
});

test("bodies that come byte by byte hold nobody up, and end with the idle timeout", async (t) => {
  const server = await serve(t, "--idle-timeout", "2s");
  const layer = await store(server.url, 1000);
  const before = await resident(server);
  const sockets = await Promise.all(Array.from({ length: 200 }, () => open(t, server.port)));
  for (const socket of sockets) {
    socket.write("POST /layer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx");
  }
  t.is((await fetch(layer)).status, 200);
  t.true((await resident(server)) - before < 150, String((await resident(server)) - before));
  await Promise.all(sockets.map(closed));
  await eventually(async () => (await unfinishedUploads(server.data)).length === 0);
  t.is((await fetch(layer)).status, 200);
});

test("readers that do not read hold no more than a share of one budget", async (t) => {
  const server = await serve(t);
  const layer = new URL(await store(server.url, 64 * MiB)).pathname;
  const before = await resident(server);
  const sockets = await Promise.all(Array.from({ length: 100 }, () => open(t, server.port)));
  for (const socket of sockets) socket.pause().write(`GET ${layer} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const other = await fetch(`${server.url}${layer}`);
  t.is((await other.arrayBuffer()).byteLength, 64 * MiB);
  t.true((await resident(server)) - before < 150, String((await resident(server)) - before));
  for (const socket of sockets) socket.destroy();
  await eventually(async () => (await descriptors(server)) < 60);
});

const HEADS = [
  (layer: string) => `GET ${layer} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-9,100-1000000\r\n\r\n`,
  () => "POST /layer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n",
  () => "POST /layer HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n",
  () => "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
  () => "PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{",
  () =>
    "POST /layer HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n" +
    'Content-Length: 300000\r\n\r\n--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n',
];

test("a thousand requests that are broken off, each somewhere else, leave no handle and no file", async (t) => {
  const server = await serve(t);
  const layer = new URL(await store(server.url, 4 * MiB)).pathname;
  const handles = await descriptors(server);
  const random = new Random(Date.now() % 1_000_000);
  const body = "x".repeat(400_000);
  for (let round = 0; round < 50; round += 1) {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = await open(t, server.port);
        const text = `${random.pick(HEADS)(layer)}${body}`;
        socket.write(text.slice(0, 1 + random.int(0, random.chance(0.5) ? 200 : 300_000)));
        if (random.chance(0.5)) await new Promise((resolve) => setTimeout(resolve, random.int(0, 20)));
        if (random.chance(0.5)) socket.destroy();
        else socket.resetAndDestroy();
      }),
    );
  }
  t.is((await fetch(`${server.url}${layer}`)).status, 200);
  await eventually(async () => (await unfinishedUploads(server.data)).length === 0);
  await eventually(async () => (await descriptors(server)) <= handles + 5);
});

test("ranges do not make an answer longer than the layer", async (t) => {
  const { url } = await serve(t);
  const layer = await store(url, 1000);
  for (const ranges of [
    "0-,".repeat(99),
    "0-999,".repeat(50),
    Array.from({ length: 1000 }, (_, at) => `${at}-${at}`).join(","),
  ]) {
    const answer = await fetch(layer, { headers: { Range: `bytes=${ranges.replace(/,$/, "")}` } });
    t.true((await answer.arrayBuffer()).byteLength <= 1000, `${answer.status}`);
  }
});

test("documents full of keys that meet in a hash table take no time", async (t) => {
  const { url } = await serve(t);
  // Numbers as keys, and names that differ in the last character only, as attacks on hash tables have had them.
  const numbers = Array.from({ length: 40_000 }, (_, at) => `"${at * 65_536}":1`).join(",");
  const names = Array.from({ length: 40_000 }, (_, at) => `"${"a".repeat(20)}${at}":1`).join(",");
  for (const keys of [numbers, names]) {
    const layer = fetch(`${url}/manifest`, { method: "POST", body: `{"layers":[],"annotations":{${keys}}}` });
    t.true([400, 413].includes((await layer).status));
    const annotations = `{"schemaVersion":2,"annotations":{${keys}}}`;
    const headers = { "Content-Type": "application/vnd.oci.image.manifest.v1+json" };
    const put = await fetch(`${url}/v2/a/manifests/v1`, { method: "PUT", body: annotations, headers });
    t.true([400, 413].includes(put.status));
  }
});
