import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import test from "ava";
import { json } from "../tools/json.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../tools/server.ts";

const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

function putPart(url: string, bytes: Buffer, from: number, to: number, headers: Record<string, string> = {}) {
  return fetch(`${url}/layer/${digestOf(bytes)}`, {
    method: "PUT",
    body: bytes.subarray(from, to),
    headers: { "Content-Range": `bytes ${from}-${to - 1}/${bytes.length}`, ...headers },
  });
}

/** Sends the headers of a request and some bytes, and then nothing. */
async function halfDead(port: number, path: string, headers: string, sent: Buffer) {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`);
  await new Promise((resolve) => socket.write(sent, resolve));
  return socket;
}

/** Waits until a HEAD tells that so many bytes have arrived. */
async function arrived(url: string, path: string, offset: number): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const head = await fetch(`${url}${path}`, { method: "HEAD" });
    if (Number(head.headers.get("upload-offset") ?? -1) >= offset) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${offset} bytes never arrived`);
}

test("each part answers the offset reached, the last one 201", async (t) => {
  const { url, data } = await startServer(t);
  const bytes = randomBytes(300_000);
  const first = await putPart(url, bytes, 0, 100_000);
  t.is(first.status, 202);
  t.is(first.headers.get("upload-offset"), "100000");
  t.is((await json(first)).offset, 100_000);
  const head = await fetch(`${url}/layer/${digestOf(bytes)}`, { method: "HEAD" });
  t.is(head.status, 404);
  t.is(head.headers.get("upload-offset"), "100000");
  t.is((await putPart(url, bytes, 100_000, 250_000)).headers.get("upload-offset"), "250000");
  const last = await putPart(url, bytes, 250_000, 300_000);
  t.is(last.status, 201);
  t.is((await json(last)).digest, digestOf(bytes));
  t.deepEqual(await unfinishedUploads(data), []);
});

test("a part after a gap is refused and says where to go on", async (t) => {
  const { url } = await startServer(t);
  const bytes = randomBytes(100_000);
  const nothing = await putPart(url, bytes, 50_000, 100_000);
  t.is(nothing.status, 409);
  t.is(nothing.headers.get("upload-offset"), "0");
  await putPart(url, bytes, 0, 10_000);
  const gap = await putPart(url, bytes, 20_000, 30_000);
  t.is(gap.status, 409);
  t.is(gap.headers.get("upload-offset"), "10000");
});

test("a part that overlaps what is there already goes on behind it", async (t) => {
  const { url } = await startServer(t);
  const bytes = randomBytes(100_000);
  await putPart(url, bytes, 0, 60_000);
  t.is((await putPart(url, bytes, 20_000, 40_000)).headers.get("upload-offset"), "60000");
  const last = await putPart(url, bytes, 50_000, 100_000);
  t.is(last.status, 201);
});

test("parts of other bytes end in 400 and store nothing", async (t) => {
  const { url, data } = await startServer(t);
  const [bytes, other] = [randomBytes(50_000), randomBytes(50_000)];
  await putPart(url, bytes, 0, 20_000);
  const path = `${url}/layer/${digestOf(bytes)}`;
  const headers = { "Content-Range": "bytes 20000-49999/50000" };
  const last = await fetch(path, { method: "PUT", body: other.subarray(20_000), headers });
  t.is(last.status, 400);
  t.is((await json(last)).errors[0].code, "DIGEST_INVALID");
  t.deepEqual(await storedBlobs(data), []);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("a total that changes is refused", async (t) => {
  const { url } = await startServer(t);
  const bytes = randomBytes(50_000);
  await putPart(url, bytes, 0, 20_000);
  const more = await putPart(url, bytes, 20_000, 30_000, { "Content-Range": "bytes 20000-29999/60000" });
  t.is(more.status, 400);
});

for (const value of [
  "bytes 5-2/10",
  "bytes 0-9/5",
  "bytes 0-9",
  "lines 0-9/10",
  "bytes */10",
  "bytes 0-1/10",
]) {
  test(`Content-Range: ${value} with ten bytes is 400`, async (t) => {
    const { url } = await startServer(t);
    const bytes = randomBytes(10);
    t.is((await putPart(url, bytes, 0, 10, { "Content-Range": value })).status, 400);
  });
}

test("a plain PUT that was cut is resumed with Content-Range", async (t) => {
  const { url, port } = await startServer(t);
  const bytes = randomBytes(3_000_000);
  const path = `/layer/${digestOf(bytes)}`;
  const socket = await halfDead(port, path, `Content-Length: ${bytes.length}`, bytes.subarray(0, 1_500_000));
  await arrived(url, path, 1_500_000);
  socket.destroy();
  await arrived(url, path, 1_500_000);
  const last = await putPart(url, bytes, 1_500_000, bytes.length);
  t.is(last.status, 201);
  const got = Buffer.from(await (await fetch(`${url}${path}`)).arrayBuffer());
  t.is(digestOf(got), digestOf(bytes));
});

test("a new request on an upload ends a half-dead one", async (t) => {
  const { url, port } = await startServer(t);
  const bytes = randomBytes(400_000);
  const path = `/layer/${digestOf(bytes)}`;
  const range = `Content-Length: 400000\r\nContent-Range: bytes 0-399999/400000`;
  const socket = await halfDead(port, path, range, bytes.subarray(0, 150_000));
  const ended = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  await arrived(url, path, 150_000);
  const last = await putPart(url, bytes, 150_000, 400_000);
  t.is(last.status, 201);
  await ended;
  t.pass();
});

test("somebody else's parts are not continued", async (t) => {
  const { url } = await startServer(t, {}, { identify: (ctx) => ctx.get("X-User") });
  const bytes = randomBytes(100_000);
  await putPart(url, bytes, 0, 50_000, { "X-User": "ann" });
  t.is((await putPart(url, bytes, 50_000, 100_000, { "X-User": "bob" })).status, 409);
  t.is((await putPart(url, bytes, 50_000, 100_000, { "X-User": "ann" })).status, 201);
});
