import { createHash, randomBytes } from "node:crypto";
import test from "ava";
import { sendRaw } from "../tools/raw.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../tools/server.ts";

/* What "Resumable Uploads for HTTP" (draft 05) and RFC 9110 §14.4 want when something is wrong. */

const version = { "Upload-Draft-Interop-Version": "6" };
const part = { ...version, "Content-Type": "application/partial-upload" };

function create(url: string, body: string, headers: Record<string, string> = {}) {
  const all = { ...version, "Upload-Complete": "?0", ...headers };
  return fetch(`${url}/layer`, { method: "POST", body, headers: all });
}

async function begun(url: string, body: string, headers: Record<string, string> = {}): Promise<string> {
  return `${url}${(await create(url, body, headers)).headers.get("location")}`;
}

/** A body without a Content-Length. */
function streamed(bytes: Uint8Array): ReadableStream {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}

test("a creation that fails tells where the upload is and where it stands", async (t) => {
  const { url } = await startServer(t);
  const answer = await create(url, "abc", { "Upload-Length": "2" });
  t.is(answer.status, 400);
  t.is(answer.headers.get("upload-offset"), "2");
  const { status } = await fetch(`${url}${answer.headers.get("location")}`, {
    method: "HEAD",
    headers: version,
  });
  t.is(status, 204);
});

test("a creation that ends the upload tells no place", async (t) => {
  const { url } = await startServer(t);
  const answer = await fetch(`${url}/layer?digest=sha256:${"a".repeat(64)}`, {
    method: "POST",
    body: "abc",
    headers: { ...version, "Upload-Complete": "?1" },
  });
  t.is(answer.status, 400);
  t.is(answer.headers.get("location"), null);
});

test("an append that fails tells where the upload stands", async (t) => {
  const { url } = await startServer(t);
  const upload = await begun(url, "abc", { "Upload-Length": "5" });
  const headers = { ...part, "Upload-Offset": "3", "Upload-Complete": "?1" };
  const answer = await fetch(upload, { method: "PATCH", body: "d", headers });
  t.is(answer.status, 400);
  t.is(answer.headers.get("upload-offset"), "3");
});

test("a creation that is refused leaves nothing behind", async (t) => {
  const { url, data } = await startServer(t, { maxLayerSize: 1000 });
  t.is((await create(url, "abc", { "Content-Encoding": "gzip" })).status, 415);
  const path = `${url}/layer/${"a".repeat(64)}`;
  const headers = { "Content-Range": "bytes 0-99/100000" };
  t.is((await fetch(path, { method: "PUT", body: new Uint8Array(100), headers })).status, 413);
  t.is((await fetch(path, { method: "PUT", body: new Uint8Array(100_000) })).status, 413);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("a last part without any body completes the upload", async (t) => {
  const { url, port } = await startServer(t);
  const { pathname } = new URL(await begun(url, "abc"));
  const request =
    `PATCH ${pathname} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
    "Content-Type: application/partial-upload\r\nUpload-Offset: 3\r\nUpload-Complete: ?1\r\n\r\n";
  t.regex(await sendRaw(port, request), /^HTTP\/1.1 201 /);
});

test("a final size that a later part tells must not change either", async (t) => {
  const { url } = await startServer(t);
  const upload = await begun(url, "abc");
  const append = (at: number, length: number) =>
    fetch(upload, {
      method: "PATCH",
      body: "d",
      headers: { ...part, "Upload-Offset": String(at), "Upload-Length": String(length) },
    });
  t.is((await append(3, 9)).status, 201);
  t.is((await append(4, 8)).status, 400);
  const { headers } = await fetch(upload, { method: "HEAD", headers: version });
  t.is(headers.get("upload-length"), "9");
});

test("only a request that changes an upload is told how long it lives", async (t) => {
  const { url } = await startServer(t);
  const created = await create(url, "abc");
  t.regex(created.headers.get("upload-limit") ?? "", /expires=86400/);
  const head = await fetch(`${url}${created.headers.get("location")}`, { method: "HEAD", headers: version });
  t.notRegex(head.headers.get("upload-limit") ?? "", /expires/);
});

test("HTTP/1.0 gets no interim response", async (t) => {
  const { port } = await startServer(t);
  const request =
    "POST /layer HTTP/1.0\r\nContent-Length: 2\r\nUpload-Complete: ?1\r\nUpload-Draft-Interop-Version: 6\r\n\r\nab";
  t.regex(await sendRaw(port, request), /^HTTP\/1.1 201 /);
});

test("a part that is longer or shorter than its Content-Range is refused, and says where to go on", async (t) => {
  const { url, data } = await startServer(t);
  const bytes = randomBytes(1000);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const put = (range: string, body: Uint8Array) =>
    fetch(`${url}/layer/${digest}`, {
      method: "PUT",
      body: streamed(body),
      duplex: "half",
      headers: { "Content-Range": `bytes ${range}/1000` },
    });
  const long = await put("0-99", bytes.subarray(0, 300));
  t.deepEqual([long.status, long.headers.get("upload-offset")], [400, "100"]);
  const short = await put("100-499", bytes.subarray(100, 200));
  t.deepEqual([short.status, short.headers.get("upload-offset")], [400, "200"]);
  const lastButShort = await put("200-999", bytes.subarray(200, 300));
  t.deepEqual([lastButShort.status, lastButShort.headers.get("upload-offset")], [400, "300"]);
  t.deepEqual(await storedBlobs(data), []);
  t.is((await put("300-999", bytes.subarray(300))).status, 201);
});
