import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import test from "ava";
import { eventually } from "../tools/eventually.ts";
import { storedBlobs, unfinishedUploads } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";
import { answerOf, ask, connectTo, jsonOf, startSecureServer } from "./h2-server.ts";

/* HTTP/2 (RFC 9113) as Node's client speaks it; test/http/tls.test.ts does it with curl. */

const hexOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const POST = { ":method": "POST", ":path": "/layer" };

test("a layer is sent and read back, whole, in ranges, and not at all", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const session = await connectTo(t, to);
  const bytes = randomBytes(5_000_000);
  const posted = await ask(session, POST, bytes);
  t.is(posted.status, 201);
  t.is(jsonOf(posted).id, `sha256:${hexOf(bytes)}`);
  const path = { ":path": String(posted.headers.location) };
  const whole = await ask(session, path);
  t.true(whole.body.equals(bytes));
  t.is(whole.headers["content-length"], "5000000");
  const range = await ask(session, { ...path, range: "bytes=4999990-" });
  t.is(range.status, 206);
  t.true(range.body.equals(bytes.subarray(-10)));
  const ranges = await ask(session, { ...path, range: "bytes=0-2000000,3000000-4000000" });
  t.regex(String(ranges.headers["content-type"]), /^multipart\/byteranges; boundary=/);
  t.is(ranges.headers["content-length"], String(ranges.body.length));
  t.true(ranges.body.includes(bytes.subarray(3_000_000, 4_000_001)));
  const head = await ask(session, { ...path, ":method": "HEAD" });
  t.is(head.headers["content-length"], "5000000");
  t.is(head.body.length, 0);
  const same = await ask(session, { ...path, "if-none-match": String(whole.headers.etag) });
  t.is(same.status, 304);
  for (const answer of [posted, whole, range, ranges, head, same]) t.is(answer.code, 0);
  await eventually(async () => to.lines.length === 6);
  t.deepEqual(
    to.lines.map(({ bytes, aborted }) => [bytes, aborted]),
    [posted, whole, range, ranges, head, same].map(({ body }) => [body.length, undefined]),
  );
  t.deepEqual(to.errors, []);
});

test("small layers travel side by side on one connection", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const session = await connectTo(t, to);
  const layers = Array.from({ length: 80 }, (_, n) => randomBytes(n * 1000));
  const posted = await Promise.all(layers.map((bytes) => ask(session, POST, bytes)));
  t.deepEqual(
    posted.map((answer) => jsonOf(answer).id),
    layers.map((bytes) => `sha256:${hexOf(bytes)}`),
  );
  const read = await Promise.all(
    posted.map(({ headers }) => ask(session, { ":path": String(headers.location) })),
  );
  for (const [n, { body }] of read.entries()) t.true(body.equals(layers[n] ?? Buffer.of()));
});

test("layers of any size arrive as they were, when many are sent at once", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const session = await connectTo(t, to);
  const layers = Array.from({ length: 12 }, () => randomBytes(6_000_000));
  const answers = await Promise.all(layers.map((bytes) => ask(session, POST, bytes)));
  t.deepEqual(
    answers.map((answer) => jsonOf(answer).id),
    layers.map((bytes) => `sha256:${hexOf(bytes)}`),
  );
});

test("a client that breaks off an upload leaves nothing behind, and disturbs nobody", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const session = await connectTo(t, to);
  const other = session.request(POST);
  other.write("slow ");
  const broken = session.request({ ...POST, "content-length": 1_000_000 });
  const ended = answerOf(broken);
  broken.write(randomBytes(100_000));
  await eventually(async () => (await unfinishedUploads(to.data)).length === 2);
  broken.close(8);
  await ended;
  await eventually(async () => (await unfinishedUploads(to.data)).length === 1);
  const answered = answerOf(other);
  other.end("but whole");
  t.is((await answered).status, 201);
  t.deepEqual(await storedBlobs(to.data), [hexOf(Buffer.from("slow but whole"))]);
  await eventually(async () => to.lines.length === 2);
  t.is(to.lines.find(({ aborted }) => aborted)?.path, "/layer");
  t.deepEqual(to.errors, []);
});

test("an upload whose length nobody announced is not taken for whole when its client breaks off", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const { data, lines } = to;
  // By a reset of the stream, by one without an error, and by a lost connection.
  for (const [n, leave] of [
    (stream: ClientHttp2Stream) => stream.destroy(new Error("enough")),
    (stream: ClientHttp2Stream) => stream.destroy(),
    (stream: ClientHttp2Stream) => stream.session?.destroy(),
  ].entries()) {
    const session = await connectTo(t, to);
    const broken = session.request(POST);
    broken.on("error", () => undefined);
    broken.write(randomBytes(100_000));
    await eventually(async () => (await unfinishedUploads(data)).length === 1);
    leave(broken);
    await eventually(async () => (await unfinishedUploads(data)).length === 0);
    await eventually(async () => lines.length === n + 1);
  }
  t.deepEqual(await storedBlobs(data), []);
  t.true(lines.every(({ aborted }) => aborted === true));
  t.deepEqual(to.errors, []);
});

test("a client that breaks off a download is seen in the log, with what it was sent", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const session = await connectTo(t, to);
  const size = 40_000_000;
  const { headers } = await ask(session, POST, randomBytes(size));
  for (const range of [undefined, "bytes=0-15000000,16000000-39000000"]) {
    const stream = session.request({ ":path": String(headers.location), ...(range && { range }) });
    await once(stream, "data");
    stream.pause();
    stream.close(8);
    await once(stream, "close");
  }
  await eventually(async () => to.lines.length === 3);
  for (const { aborted, bytes } of to.lines.slice(1)) {
    t.true(aborted);
    t.true(bytes > 0 && bytes < size);
  }
  t.is((await ask(session, { ":path": "/healthz" })).status, 200);
  t.deepEqual(to.errors, []);
});

test("a body that is refused costs its client the stream, not the connection", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const session = await connectTo(t, await startSecureServer(t, { maxLayerSize: 1000 }));
  for (const [headers, status] of [
    [{ "content-length": 1_000_000_000 }, 413],
    [{ "content-encoding": "gzip" }, 415],
    [{}, 413],
  ] as const) {
    const stream = session.request({ ...POST, ...headers });
    const answered = answerOf(stream);
    const send = () => {
      while (!stream.closed && stream.write(Buffer.alloc(16_384)));
    };
    stream.on("drain", send);
    send();
    const answer = await answered;
    t.is(answer.status, status);
    t.is(answer.headers["content-length"], String(answer.body.length));
    t.is(jsonOf(answer).errors.length, 1);
    t.is(answer.headers.connection, undefined);
    // RFC 9113 §8.1: NO_ERROR.
    t.is(answer.code, 0);
  }
  t.is((await ask(session, { ":path": "/healthz" })).status, 200);
});

test("who waits for 100 Continue gets it, or the refusal at once", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const session = await connectTo(t, await startSecureServer(t));
  const accepted = session.request({ ...POST, expect: "100-continue" });
  await once(accepted, "continue");
  accepted.end("hello");
  t.is((await answerOf(accepted)).status, 201);
  const refused = session.request({ ...POST, expect: "100-continue", "content-encoding": "br" });
  refused.on("continue", () => t.fail());
  t.is((await answerOf(refused)).status, 415);
});

test("an interim response names the upload before its body is sent", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const session = await connectTo(t, await startSecureServer(t));
  const version = { "upload-draft-interop-version": "6" };
  const stream = session.request({ ...POST, ...version, "upload-complete": "?0" });
  const [interim] = (await once(stream, "headers")) as [IncomingHttpHeaders];
  t.is(String(interim[":status"]), "104");
  stream.end("hello");
  const answer = await answerOf(stream);
  t.is(answer.status, 201);
  t.is(answer.headers.location, interim.location);
  const last = { ":method": "PATCH", ":path": String(interim.location), "upload-offset": "5" };
  const type = { "content-type": "application/partial-upload", "upload-complete": "?1" };
  t.is(jsonOf(await ask(session, { ...version, ...last, ...type }, " world")).size, 11);
});

test("an upload that breaks off can be resumed", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const session = await connectTo(t, to);
  const version = { "upload-draft-interop-version": "6" };
  const stream = session.request({ ...POST, ...version, "upload-complete": "?1" });
  const [interim] = (await once(stream, "headers")) as [IncomingHttpHeaders];
  stream.on("error", () => undefined);
  stream.write(Buffer.alloc(500_000, "x"));
  const head = { ...version, ":method": "HEAD", ":path": String(interim.location) };
  await eventually(async () => (await unfinishedUploads(to.data)).length > 0);
  // Closed, Node's client would first say that this was all.
  stream.destroy();
  await eventually(async () => to.lines.length > 0);
  const offset = Number((await ask(session, head)).headers["upload-offset"]);
  t.true(offset >= 0 && offset <= 500_000);
  const rest = { ":method": "PATCH", ":path": String(interim.location), "upload-offset": String(offset) };
  const type = { "content-type": "application/partial-upload", "upload-complete": "?1" };
  const answer = await ask(session, { ...version, ...rest, ...type }, Buffer.alloc(500_000 - offset, "x"));
  t.is(jsonOf(answer).size, 500_000);
});

test("the host is what :authority names", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const session = await connectTo(t, await startSecureServer(t, { allowedHosts: ["layers.test"] }));
  const health = { ":path": "/healthz" };
  t.is((await ask(session, { ...health, ":authority": "evil.test" })).status, 421);
  t.is((await ask(session, { ...health, ":authority": "layers.test:80" })).status, 200);
  t.is((await ask(session, { ...health, ":authority": "localhost", host: "LOCALHOST" })).status, 200);
  t.is((await ask(session, { ...health, ":authority": "localhost", host: "evil.test" })).status, 400);
});

test("a page of the server's own may change things, a foreign one may not", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const session = await connectTo(t, to);
  t.is((await ask(session, { ...POST, origin: to.url }, "x")).status, 201);
  t.is((await ask(session, { ...POST, origin: "https://evil.test" }, "x")).status, 403);
});

test("a form is one whether or not its length was announced", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const session = await connectTo(t, await startSecureServer(t));
  const form = new Response(
    (() => {
      const data = new FormData();
      data.append("a", new Blob(["first"]), "a.txt");
      data.append("b", new Blob(["second"]), "b.txt");
      return data;
    })(),
  );
  const type = { "content-type": form.headers.get("content-type") ?? "" };
  const body = Buffer.from(await form.arrayBuffer());
  for (const length of [{}, { "content-length": body.length }]) {
    const answer = await ask(session, { ...POST, ...type, ...length }, body);
    t.is(answer.status, 201);
    t.deepEqual(
      jsonOf(answer).map(({ name }: { name: string }) => name),
      ["a.txt", "b.txt"],
    );
  }
});

test("a name beyond ASCII is told as in HTTP/1.1", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const session = await connectTo(t, await startSecureServer(t));
  const disposition = `attachment; filename*=UTF-8''sch%C3%B6n.tar`;
  const { headers } = await ask(session, { ...POST, "content-disposition": disposition }, "x");
  const read = await ask(session, { ":path": String(headers.location) });
  t.regex(String(read.headers["content-disposition"]), /filename\*=UTF-8''sch%C3%B6n\.tar/);
});

test("headers beyond 16 KiB end their stream, and no other", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const session = await connectTo(t, await startSecureServer(t));
  // Limits are in force when the client has heard of them.
  await eventually(async () => session.remoteSettings.maxHeaderListSize === 16_384);
  const answer = await ask(session, { ":path": "/healthz", "x-long": "x".repeat(17_000) });
  t.is(answer.status, undefined);
  t.is((await ask(session, { ":path": "/healthz" })).status, 200);
});

test("a hundred clients on one connection that do not read hold up nobody else's", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const session = await connectTo(t, to);
  const { headers } = await ask(session, POST, Buffer.alloc(4_000_000));
  await eventually(async () => session.remoteSettings.maxConcurrentStreams === 100);
  const stalled = Array.from({ length: 99 }, () => {
    const stream = session.request({ ":path": String(headers.location) });
    stream.pause();
    return stream;
  });
  await Promise.all(stalled.map((stream) => once(stream, "response")));
  const [first] = stalled;
  const another = await connectTo(t, to);
  t.is((await ask(another, { ":path": String(headers.location) })).body.length, 4_000_000);
  t.is((await ask(session, { ":path": "/healthz" })).status, 200);
  if (first !== undefined) t.is((await answerOf(first)).body.length, 4_000_000);
});
