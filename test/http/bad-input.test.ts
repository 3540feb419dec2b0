import { connect } from "node:net";
import test from "ava";
import { eventually } from "../tools/eventually.ts";
import { json } from "../tools/json.ts";
import { readUntil, sendRaw } from "../tools/raw.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../tools/server.ts";

/** Status and first error of a raw answer. */
function read(answer: string): { status: number; code: string } {
  const status = Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]);
  const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
  return { status, code: body.startsWith("{") ? (JSON.parse(body).errors?.[0].code ?? "") : "" };
}

const close = "Host: localhost\r\nConnection: close\r\n";

for (const path of [
  "/layer/..%2f..%2f..%2fetc%2fpasswd",
  "/layer/../../etc/passwd",
  "/layer/sha256:..%2f..%2fetc",
  "/layer/%00",
  "/layer/%zz",
  `/layer/sha256:${"A".repeat(64)}`,
  `/layer/sha256:${"a".repeat(63)}`,
  `/layer/sha256:${"a".repeat(64)}/../x`,
  `/layer/sha999:${"a".repeat(64)}`,
  `/layer/${"x".repeat(4000)}`,
  "/manifest/..%2f..%2fetc",
  "/manifest/%2e%2e%2f",
  "/manifest/.hidden",
  "//layer//x",
  "/layer/uploads/..%2f..%2fx",
  "/layer/_snapshot.json%00",
]) {
  for (const method of ["GET", "PUT", "DELETE"]) {
    test(`${method} ${path.slice(0, 60)} (${path.length} characters) is refused readably`, async (t) => {
      const { port } = await startServer(t, { memory: true });
      const answer = read(
        await sendRaw(port, `${method} ${path} HTTP/1.1\r\n${close}Content-Length: 0\r\n\r\n`),
      );
      t.true([400, 404, 405].includes(answer.status), String(answer.status));
      t.truthy(answer.code);
    });
  }
}

test("a truncated body stores nothing and is told so where it can be", async (t) => {
  const { port, data } = await startServer(t);
  const request = `POST /layer HTTP/1.1\r\n${close}Content-Length: 100\r\n\r\nonly this`;
  const answer = read(await sendRaw(port, request, { halfClose: true }));
  t.deepEqual(answer, { status: 400, code: "SIZE_INVALID" });
  t.deepEqual(await storedBlobs(data), []);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("a client that vanishes in the middle of an upload leaves nothing behind", async (t) => {
  const { port, url, data } = await startServer(t);
  for (const sent of [0, 1, 100_000, 2_500_000]) {
    const socket = connect(port, "127.0.0.1");
    socket.write(`POST /layer HTTP/1.1\r\n${close}Content-Length: 5000000\r\n\r\n`);
    await new Promise((resolve) => socket.write(Buffer.alloc(sent, 1), resolve));
    socket.resetAndDestroy();
  }
  const { status } = await fetch(`${url}/layer`, { method: "POST", body: "still alive" });
  t.is(status, 201);
  await eventually(async () => (await unfinishedUploads(data)).length === 0);
  t.is((await storedBlobs(data)).length, 1);
});

test("a body longer than announced is refused and stores nothing", async (t) => {
  const { port, data } = await startServer(t);
  for (const size of [8, 200_000]) {
    const head = "POST /layer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n";
    const answer = read(await sendRaw(port, head + "x".repeat(size)));
    t.deepEqual(answer, { status: 400, code: "REQUEST_INVALID" });
  }
  await eventually(async () => (await unfinishedUploads(data)).length === 0);
  t.deepEqual(await storedBlobs(data), []);
});

test("a chunked body larger than layers may be is 413 and stores nothing", async (t) => {
  const { url, data } = await startServer(t, { maxLayerSize: 1000 });
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(2000));
      controller.close();
    },
  });
  const answer = await fetch(`${url}/layer`, { method: "POST", body, duplex: "half" });
  t.is(answer.status, 413);
  const sized = await fetch(`${url}/layer`, { method: "POST", body: new Uint8Array(2000) });
  t.is(sized.status, 413);
  t.deepEqual(await storedBlobs(data), []);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("a client that asks before it sends is refused before it sends", async (t) => {
  const { port } = await startServer(t, { maxLayerSize: 1000 });
  const socket = connect(port, "127.0.0.1");
  socket.write(
    "POST /layer HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n",
  );
  t.regex(await readUntil(socket, "\r\n\r\n"), /^HTTP\/1.1 413 /);
  socket.destroy();
});

test("a client that asks before it sends is told to go on", async (t) => {
  const { port } = await startServer(t);
  const socket = connect(port, "127.0.0.1");
  socket.write(
    "POST /layer HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
  );
  t.regex(await readUntil(socket, "\r\n\r\n"), /^HTTP\/1.1 100 /);
  socket.write("ok");
  t.regex(await readUntil(socket, "\r\n\r\n"), /^HTTP\/1.1 201 /);
  socket.destroy();
});

test("a coded body is 415: the digest covers the bytes as they are stored", async (t) => {
  const { url } = await startServer(t);
  for (const path of ["/layer", "/manifest"]) {
    const headers = { "Content-Encoding": "gzip", "Content-Type": "application/json" };
    const answer = await fetch(`${url}${path}`, { method: "POST", body: "x", headers });
    t.is(answer.status, 415);
    t.is(answer.headers.get("accept-encoding"), "identity");
  }
});

test("a flood of headers is 431", async (t) => {
  const { port } = await startServer(t);
  const answer = await sendRaw(port, `GET / HTTP/1.1\r\n${close}X-Flood: ${"x".repeat(20_000)}\r\n\r\n`);
  t.deepEqual(read(answer), { status: 431, code: "HEADERS_TOO_LARGE" });
});

test("what is no HTTP is answered and the connection closed", async (t) => {
  const { port } = await startServer(t);
  t.deepEqual(read(await sendRaw(port, "\x16\x03\x01\x02\x00\x01\x00hello\r\n\r\n")), {
    status: 400,
    code: "REQUEST_INVALID",
  });
});

test("an address that is not there is 404, a method that is not 405 with what is", async (t) => {
  const { url } = await startServer(t);
  const nowhere = await fetch(`${url}/nowhere`);
  t.is(nowhere.status, 404);
  t.is((await json(nowhere)).errors[0].code, "NOT_FOUND");
  const patch = await fetch(`${url}/manifest`, { method: "PATCH", body: "x" });
  t.is(patch.status, 405);
  t.regex(patch.headers.get("allow") ?? "", /POST/);
});

test("PUT /layer/FILE, as curl -T sends it, teaches the right call", async (t) => {
  const { url } = await startServer(t);
  const answer = await fetch(`${url}/layer/backup.tar`, { method: "PUT", body: "x" });
  t.is(answer.status, 400);
  t.regex((await json(answer)).errors[0].detail.hint, /curl -X POST -T FILE/);
});

test("a page size that is no number is 400", async (t) => {
  const { url } = await startServer(t);
  for (const query of ["n=x", "n=-1", "last=abc", "n=1&n=2"]) {
    t.is((await fetch(`${url}/layer?${query}`)).status, 400, query);
  }
});

test("a host that is not this server's is 421", async (t) => {
  const { port } = await startServer(t, { allowedHosts: ["store.example.com"] });
  const get = async (host: string) =>
    read(await sendRaw(port, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
  t.is((await get("evil.example.com")).code, "HOST_UNKNOWN");
  t.is((await get("evil.example.com:4000")).status, 421);
  for (const host of [
    "localhost",
    `127.0.0.1:${port}`,
    "[::1]:4000",
    "store.example.com",
    "store.example.com:443",
  ]) {
    t.is((await get(host)).status, 200, host);
  }
});

test("a page of a foreign origin changes nothing", async (t) => {
  const { url } = await startServer(t, { allowedOrigins: ["https://app.example.com"] });
  const post = (origin: string) =>
    fetch(`${url}/layer`, { method: "POST", body: "x", headers: { Origin: origin } });
  const foreign = await post("https://evil.example.com");
  t.is(foreign.status, 403);
  t.is((await json(foreign)).errors[0].code, "ORIGIN_FOREIGN");
  t.is((await post("null")).status, 403);
  t.is((await post(url)).status, 201);
  const allowed = await post("https://app.example.com");
  t.is(allowed.status, 201);
  t.is(allowed.headers.get("access-control-allow-origin"), "https://app.example.com");
  t.regex(allowed.headers.get("access-control-expose-headers") ?? "", /Upload-Offset/);
  const preflight = await fetch(`${url}/layer`, {
    method: "OPTIONS",
    headers: { Origin: "https://app.example.com", "Access-Control-Request-Method": "PATCH" },
  });
  t.is(preflight.status, 204);
  t.regex(preflight.headers.get("access-control-allow-methods") ?? "", /PATCH/);
});

test("a gzip bomb posted as a layer costs neither memory nor the server's patience", async (t) => {
  const { url } = await startServer(t, { maxUnpackedSize: 10_000_000 });
  const { createGzip } = await import("node:zlib");
  const gzip = createGzip({ level: 9 });
  const chunks: Buffer[] = [];
  gzip.on("data", (chunk) => chunks.push(chunk));
  for (let i = 0; i < 100; i += 1)
    if (!gzip.write(Buffer.alloc(1 << 20))) await new Promise((r) => gzip.once("drain", r));
  await new Promise<void>((resolve) => gzip.end(resolve));
  const { id } = await json(await fetch(`${url}/layer`, { method: "POST", body: Buffer.concat(chunks) }));
  const answer = await fetch(`${url}/manifest`, { method: "POST", body: JSON.stringify({ layers: [id] }) });
  t.is(answer.status, 413);
});

test("a request without a Host is told so", async (t) => {
  const { port } = await startServer(t);
  t.deepEqual(read(await sendRaw(port, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n")), {
    status: 400,
    code: "REQUEST_INVALID",
  });
});
