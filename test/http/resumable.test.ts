import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import test from "ava";
import { json } from "../tools/json.ts";
import { readUntil } from "../tools/raw.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../tools/server.ts";

/* "Resumable Uploads for HTTP", draft-ietf-httpbis-resumable-upload-05, interop version 6. */

const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const version = { "Upload-Draft-Interop-Version": "6" };

function append(
  url: string,
  offset: number,
  body: Buffer,
  complete: boolean,
  headers: Record<string, string> = {},
) {
  return fetch(url, {
    method: "PATCH",
    body,
    headers: {
      ...version,
      "Content-Type": "application/partial-upload",
      "Upload-Offset": String(offset),
      "Upload-Complete": complete ? "?1" : "?0",
      ...headers,
    },
  });
}

async function create(url: string, body: Buffer, headers: Record<string, string> = {}) {
  const answer = await fetch(`${url}/layer`, {
    method: "POST",
    body,
    headers: { ...version, "Upload-Complete": "?0", ...headers },
  });
  return { answer, upload: `${url}${answer.headers.get("location")}` };
}

test("an upload in three parts becomes a layer", async (t) => {
  const { url, data } = await startServer(t);
  const bytes = randomBytes(300_000);
  const { answer, upload } = await create(url, bytes.subarray(0, 100_000), { "Upload-Length": "300000" });
  t.is(answer.status, 201);
  t.is(answer.headers.get("upload-offset"), "100000");
  t.is(answer.headers.get("upload-complete"), "?0");
  t.regex(answer.headers.get("upload-limit") ?? "", /max-size=\d+/);
  const part = await append(upload, 100_000, bytes.subarray(100_000, 200_000), false);
  t.is(part.status, 201);
  const head = await fetch(upload, { method: "HEAD", headers: version });
  t.is(head.status, 204);
  t.is(head.headers.get("upload-offset"), "200000");
  t.is(head.headers.get("upload-length"), "300000");
  t.is(head.headers.get("upload-complete"), "?0");
  t.is(head.headers.get("cache-control"), "no-store");
  t.deepEqual(await storedBlobs(data), []);
  const last = await append(upload, 200_000, bytes.subarray(200_000), true);
  t.is(last.status, 201);
  t.is(last.headers.get("upload-complete"), "?1");
  t.is((await json(last)).digest, digestOf(bytes));
  const got = await fetch(`${url}${last.headers.get("content-location")}`);
  t.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("a client that lost the last answer learns that its upload is complete", async (t) => {
  const { url } = await startServer(t);
  const { upload } = await create(url, Buffer.from("ab"));
  await append(upload, 2, Buffer.from("c"), true);
  const head = await fetch(upload, { method: "HEAD", headers: version });
  t.is(head.status, 204);
  t.is(head.headers.get("upload-complete"), "?1");
  t.is(head.headers.get("upload-offset"), "3");
  const again = await append(upload, 3, Buffer.from("d"), true);
  t.is(again.status, 400);
});

test("the interim response tells where to resume before the body is sent", async (t) => {
  const { port, url } = await startServer(t);
  const socket = connect(port, "127.0.0.1");
  socket.write(
    "POST /layer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nUpload-Complete: ?1\r\n" +
      "Upload-Draft-Interop-Version: 6\r\n\r\n",
  );
  const interim = await readUntil(socket, "\r\n\r\n");
  t.regex(interim, /^HTTP\/1.1 104 /);
  t.regex(interim, /Upload-Draft-Interop-Version: 6/i);
  const location = /Location: (\S+)/i.exec(interim)?.[1];
  socket.write("hello");
  await new Promise((resolve) => setTimeout(resolve, 100));
  socket.destroy();
  const head = await fetch(`${url}${location}`, { method: "HEAD", headers: version });
  t.is(head.headers.get("upload-offset"), "5");
  const rest = await append(`${url}${location}`, 5, Buffer.from("world"), true);
  t.is((await json(rest)).digest, digestOf(Buffer.from("helloworld")));
});

test("no interim response without the interop version, or with another", async (t) => {
  const { port } = await startServer(t);
  for (const header of ["", "Upload-Draft-Interop-Version: 5\r\n"]) {
    const socket = connect(port, "127.0.0.1");
    socket.write(
      `POST /layer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\nUpload-Complete: ?1\r\n${header}\r\nab`,
    );
    t.regex(await readUntil(socket, "\r\n\r\n"), /^HTTP\/1.1 201 /);
    socket.destroy();
  }
});

test("a wrong offset is 409 and says the right one", async (t) => {
  const { url } = await startServer(t);
  const { upload } = await create(url, Buffer.from("abc"));
  const wrong = await append(upload, 7, Buffer.from("x"), false);
  t.is(wrong.status, 409);
  t.is(wrong.headers.get("upload-offset"), "3");
  t.deepEqual((await json(wrong)).errors[0].detail, { expected: 3, provided: 7 });
});

test("more bytes than announced are refused; those announced are kept", async (t) => {
  const { url, data } = await startServer(t);
  const { upload } = await create(url, Buffer.from("abc"), { "Upload-Length": "5" });
  const wrong = await append(upload, 3, Buffer.from("defgh"), true);
  t.is(wrong.status, 400);
  t.deepEqual(await storedBlobs(data), []);
  const right = await append(upload, 3, Buffer.from("de"), true);
  t.is((await json(right)).digest, digestOf(Buffer.from("abcde")));
});

test("a final size that changes is refused", async (t) => {
  const { url } = await startServer(t);
  const { upload } = await create(url, Buffer.from("abc"), { "Upload-Length": "5" });
  t.is((await append(upload, 3, Buffer.from("d"), false, { "Upload-Length": "9" })).status, 400);
  t.is((await append(upload, 3, Buffer.from("d"), true)).status, 400);
  const inconsistent = await create(url, Buffer.from("abc"), {
    "Upload-Length": "5",
    "Upload-Complete": "?1",
  });
  t.is(inconsistent.answer.status, 400);
});

test("a cancelled upload is gone and its space is free", async (t) => {
  const { url, data } = await startServer(t);
  const { upload } = await create(url, randomBytes(200_000));
  t.is((await fetch(upload, { method: "DELETE", headers: version })).status, 204);
  t.is((await fetch(upload, { method: "HEAD", headers: version })).status, 404);
  t.is((await append(upload, 0, Buffer.from("x"), true)).status, 404);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("headers that do not belong are refused", async (t) => {
  const { url } = await startServer(t);
  const { upload } = await create(url, Buffer.from("abc"));
  t.is((await fetch(upload, { method: "HEAD", headers: { ...version, "Upload-Offset": "3" } })).status, 400);
  t.is(
    (await fetch(upload, { method: "DELETE", headers: { ...version, "Upload-Complete": "?1" } })).status,
    400,
  );
  t.is((await append(upload, 3, Buffer.from("d"), true, { "Content-Type": "text/plain" })).status, 415);
  t.is((await create(url, Buffer.from("abc"), { "Upload-Complete": "yes" })).answer.status, 400);
  t.is((await create(url, Buffer.from("abc"), { "Upload-Offset": "0" })).answer.status, 400);
});

test("an upload of somebody else does not exist", async (t) => {
  const { url } = await startServer(t, {}, { identify: (ctx) => ctx.get("X-User") });
  const { upload } = await create(url, Buffer.from("abc"), { "X-User": "ann" });
  t.is((await fetch(upload, { method: "HEAD", headers: { ...version, "X-User": "bob" } })).status, 404);
  t.is((await append(upload, 3, Buffer.from("x"), true, { "X-User": "bob" })).status, 404);
  t.is((await fetch(upload, { method: "DELETE", headers: { "X-User": "bob" } })).status, 404);
  t.is((await append(upload, 3, Buffer.from("d"), true, { "X-User": "ann" })).status, 201);
});

test("an upload survives a restart of the server", async (t) => {
  const first = await startServer(t);
  const bytes = randomBytes(2_500_000);
  const { upload } = await create(first.url, bytes.subarray(0, 2_000_000));
  await first.stop();
  const second = await startServer(t, { data: first.data });
  const again = upload.replace(first.url, second.url);
  t.is((await fetch(again, { method: "HEAD", headers: version })).headers.get("upload-offset"), "2000000");
  const last = await append(again, 2_000_000, bytes.subarray(2_000_000), true);
  t.is((await json(last)).digest, digestOf(bytes));
});

test("a promised digest is enforced at the end, and nothing is stored", async (t) => {
  const { url, data } = await startServer(t);
  const promised = createHash("sha256").update("abcd").digest("base64");
  const { upload } = await create(url, Buffer.from("abc"), { "Repr-Digest": `sha-256=:${promised}:` });
  const wrong = await append(upload, 3, Buffer.from("x"), true);
  t.is(wrong.status, 400);
  t.is((await json(wrong)).errors[0].code, "DIGEST_INVALID");
  t.deepEqual(await storedBlobs(data), []);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("OPTIONS announces the limits", async (t) => {
  const { url } = await startServer(t, { maxLayerSize: 5000 });
  const options = await fetch(`${url}/layer`, { method: "OPTIONS" });
  t.is(options.status, 204);
  t.regex(options.headers.get("upload-limit") ?? "", /max-size=5000/);
  const large = await create(url, Buffer.from("abc"), { "Upload-Length": "5001" });
  t.is(large.answer.status, 413);
});

test("uploads that nobody continues expire and their space is freed", async (t) => {
  const { url, data, layerd } = await startServer(t, { uploadTtl: 1000 });
  const { upload } = await create(url, randomBytes(100_000));
  t.is(await layerd.registry.uploads.sweep(new Date()), 0);
  t.is(await layerd.registry.uploads.sweep(new Date(Date.now() + 2000)), 1);
  t.is((await fetch(upload, { method: "HEAD", headers: version })).status, 404);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("a final size that was told once holds after a restart too", async (t) => {
  const first = await startServer(t);
  const { upload } = await create(first.url, Buffer.from("abc"));
  await append(upload, 3, Buffer.from("d"), false, { "Upload-Length": "9" });
  await first.stop();
  const second = await startServer(t, { data: first.data });
  const again = upload.replace(first.url, second.url);
  const head = await fetch(again, { method: "HEAD", headers: version });
  t.is(head.headers.get("upload-length"), "9");
  t.is((await append(again, 4, Buffer.from("e"), true)).status, 400);
});
