import { createHash, randomBytes, randomInt } from "node:crypto";
import { connect } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { eventually } from "./tools/eventually.ts";
import { spawnServer } from "./tools/process.ts";
import { readUntil } from "./tools/raw.ts";
import { startServer, temporaryDirectory, unfinishedUploads } from "./tools/server.ts";

/*
 * Connections cut wherever it hurts. Every test counts what had to be sent again: nothing that the server had
 * received while it lived, and at most what it had not written yet when it was killed.
 */

const SIZE = 3 * 1024 * 1024 + 12_345;
const TAIL = 64 * 1024;
const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** The edges, offsets anywhere, and offsets in the last 64 KiB. */
function cuts(): number[] {
  const anywhere = Array.from({ length: 6 }, () => randomInt(1, SIZE));
  const tail = Array.from({ length: 6 }, () => randomInt(SIZE - TAIL, SIZE));
  return [1, SIZE - TAIL, SIZE - 1, ...anywhere, ...tail];
}

/** Sends a request that announces everything, and so many bytes of it. */
async function sendSome(port: number, head: string, bytes: Buffer) {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`${head}\r\nHost: localhost\r\n`);
  return {
    socket,
    send: () => new Promise((resolve) => socket.write(bytes, resolve)),
  };
}

async function offsetOf(url: string): Promise<number> {
  return Number((await fetch(url, { method: "HEAD" })).headers.get("upload-offset") ?? 0);
}

async function sameBytes(t: ExecutionContext, url: string, bytes: Buffer): Promise<void> {
  const got = await fetch(`${url}/layer/${digestOf(bytes)}`);
  t.is(digestOf(Buffer.from(await got.arrayBuffer())), digestOf(bytes));
}

test("a PUT cut at any offset goes on there: nothing is sent twice", async (t) => {
  const { url, port, data } = await startServer(t);
  for (const cut of cuts()) {
    const bytes = randomBytes(SIZE);
    const path = `/layer/${digestOf(bytes)}`;
    const { socket, send } = await sendSome(port, `PUT ${path} HTTP/1.1`, bytes.subarray(0, cut));
    socket.write(`Content-Length: ${SIZE}\r\n\r\n`);
    await send();
    await eventually(async () => (await offsetOf(url + path)) === cut);
    socket.resetAndDestroy();
    const rest = await fetch(url + path, {
      method: "PUT",
      body: bytes.subarray(cut),
      headers: { "Content-Range": `bytes ${cut}-${SIZE - 1}/${SIZE}` },
    });
    t.is(rest.status, 201, `cut at ${cut}`);
    await sameBytes(t, url, bytes);
  }
  t.deepEqual(await unfinishedUploads(data), []);
});

test("an upload by the draft, cut again and again, sends only what was still on its way twice", async (t) => {
  const { url, port, data, received } = await startServer(t);
  const bytes = randomBytes(SIZE);
  let location = "";
  let offset = 0;
  let again = 0;
  for (const to of [...new Set([...cuts(), SIZE])].sort((a, b) => a - b)) {
    if (to <= offset) continue;
    const request = location === "" ? "POST /layer HTTP/1.1" : `PATCH ${location} HTTP/1.1`;
    const { socket, send } = await sendSome(port, request, bytes.subarray(offset, to));
    socket.write("Upload-Draft-Interop-Version: 6\r\nUpload-Complete: ?1\r\n");
    if (location !== "") {
      socket.write(`Upload-Offset: ${offset}\r\nContent-Type: application/partial-upload\r\n`);
    }
    socket.write(`Content-Length: ${SIZE - offset}\r\n\r\n`);
    if (location === "") location = /Location: (\S+)/i.exec(await readUntil(socket, "\r\n\r\n"))?.[1] ?? "";
    await send();
    if (to === SIZE) t.regex(await readUntil(socket, "\r\n\r\n"), /^HTTP\/1.1 201 /);
    else await eventually(async () => received(socket.localPort) === socket.bytesWritten);
    socket.destroy();
    if (to === SIZE) break;
    // Asking for the offset ends what is left of the transfer; what no handler has seen yet is sent again.
    const reached = await offsetOf(url + location);
    t.true(reached >= offset && reached <= to, `${reached} of ${offset} to ${to}`);
    again += to - reached;
    offset = reached;
  }
  t.log(`${again} of ${SIZE} bytes were sent again`);
  t.true(again < SIZE / 2);
  await sameBytes(t, url, bytes);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("a server killed at any offset loses at most what it had not written yet", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const bytes = randomBytes(4 * SIZE);
  const path = `/layer/${digestOf(bytes)}`;
  const unwritten = 4 * 1024 * 1024;
  let at = 0;
  for (let round = 0; round < 4; round += 1) {
    const server = await spawnServer(t, ["--data", data]);
    const before = await offsetOf(server.url + path);
    t.true(before <= at && before > at - unwritten, `${at - before} bytes were lost`);
    const to = Math.min(before + randomInt(1, SIZE), bytes.length - 1);
    const port = Number(new URL(server.url).port);
    const { socket, send } = await sendSome(port, `PUT ${path} HTTP/1.1`, bytes.subarray(before, to));
    socket.write(`Content-Range: bytes ${before}-${bytes.length - 1}/${bytes.length}\r\n`);
    socket.write(`Content-Length: ${bytes.length - before}\r\n\r\n`);
    await send();
    await eventually(async () => (await offsetOf(server.url + path)) === to);
    at = to;
    await server.kill();
  }
  const server = await spawnServer(t, ["--data", data]);
  const offset = await offsetOf(server.url + path);
  const rest = await fetch(server.url + path, {
    method: "PUT",
    body: bytes.subarray(offset),
    headers: { "Content-Range": `bytes ${offset}-${bytes.length - 1}/${bytes.length}` },
  });
  t.is(rest.status, 201);
  await sameBytes(t, server.url, bytes);
});
