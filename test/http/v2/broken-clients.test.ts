import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import test from "ava";
import { eventually } from "../../tools/eventually.ts";
import { readUntil, sendRaw } from "../../tools/raw.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../../tools/server.ts";
import { Client, onEachDriver, sha256 } from "./client.ts";
import { stall } from "./stall.ts";

onEachDriver("what a client sent before it vanished in a chunk is kept", async (t, client, server) => {
  const location = await client.open();
  const bytes = randomBytes(300_000);
  (await stall(server, `PATCH ${location}`, bytes.subarray(0, 200_000))).resetAndDestroy();
  await eventually(async () => (await client.follow("GET", location)).headers.get("range") === "0-199999");
  const put = await client.follow("PUT", `${location}?digest=${sha256(bytes)}`, bytes.subarray(200_000));
  t.is(put.status, 201);
});

test("a client that vanishes in a PUT can go on", async (t) => {
  const server = await startServer(t);
  const client = new Client(server.url);
  const location = await client.open();
  const bytes = randomBytes(9_000_000);
  const request = `PUT ${location}?digest=${sha256(bytes)}`;
  (await stall(server, request, bytes.subarray(0, 3_000_000))).resetAndDestroy();
  await eventually(async () => (await client.follow("GET", location)).headers.get("range") === "0-2999999");
  const put = await client.follow("PUT", `${location}?digest=${sha256(bytes)}`, bytes.subarray(3_000_000));
  t.is(put.status, 201);
});

test("a client that vanishes in a manifest, or in a single POST, leaves nothing", async (t) => {
  const server = await startServer(t);
  const client = new Client(server.url);
  const manifest = await client.pushImage("layer");
  const before = await storedBlobs(server.data);
  const put = await stall(server, "PUT /v2/team/app/manifests/cut", manifest);
  const post = await stall(server, `POST /v2/team/app/blobs/uploads/?digest=${sha256("x")}`, "x");
  put.resetAndDestroy();
  post.resetAndDestroy();
  await eventually(async () => (await unfinishedUploads(server.data)).length === 0);
  t.deepEqual(await storedBlobs(server.data), before);
  t.is(await client.status("HEAD", "manifests/cut"), 404);
});

test("a client that asks before it sends is told to go on, or what is wrong", async (t) => {
  const { port, url } = await startServer(t);
  const client = new Client(url);
  const location = await client.open();
  const ask = async (target: string, more = "") => {
    const socket = connect(port, "127.0.0.1");
    t.teardown(() => socket.destroy());
    const fields = `Host: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n${more}`;
    socket.write(`${target} HTTP/1.1\r\n${fields}\r\n`);
    return { socket, answer: await readUntil(socket, "\r\n\r\n") };
  };
  t.regex((await ask(`PATCH ${location}`, "Content-Range: 7-8\r\n")).answer, /^HTTP\/1.1 416 /);
  t.regex((await ask(`PUT ${location}`)).answer, /^HTTP\/1.1 400 /);
  t.regex((await ask("PUT /v2/A/manifests/x")).answer, /^HTTP\/1.1 400 /);
  const { socket, answer } = await ask(`PUT ${location}?digest=${sha256("ok")}`);
  t.regex(answer, /^HTTP\/1.1 100 /);
  socket.write("ok");
  t.regex(await readUntil(socket, "\r\n\r\n"), /^HTTP\/1.1 201 /);
});

test("a chunk in chunked coding may say its range, and is held to it", async (t) => {
  const { port, url } = await startServer(t);
  const client = new Client(url);
  const patch = (location: string, range: string) =>
    sendRaw(
      port,
      `PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n` +
        `Content-Range: ${range}\r\n\r\n4\r\nfour\r\n0\r\n\r\n`,
    );
  t.regex(await patch(await client.open(), "0-3"), /^HTTP\/1.1 202 .*Range: 0-3/s);
  for (const range of ["0-2", "0-9", "0-9007199254740991", "0-9999999999999999"]) {
    t.regex(await patch(await client.open(), range), /^HTTP\/1.1 4(?:00|13) .*"SIZE_INVALID"/s);
  }
});

test("requests sent ahead of their answers are answered in turn", async (t) => {
  const { port } = await startServer(t, { memory: true });
  const post = `POST /v2/a/blobs/uploads/?digest=${sha256("x")} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx`;
  const get = `GET /v2/a/blobs/${sha256("x")} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const remove = `DELETE /v2/a/blobs/${sha256("x")} HTTP/1.1\r\nHost: localhost\r\n`;
  const answer = await sendRaw(port, `${post}${get}${remove}Connection: close\r\n\r\n`);
  t.deepEqual(answer.match(/HTTP\/1.1 \d+/g), ["HTTP/1.1 201", "HTTP/1.1 200", "HTTP/1.1 202"]);
});
