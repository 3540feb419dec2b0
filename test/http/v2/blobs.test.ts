import { randomBytes } from "node:crypto";
import test from "ava";
import { sendRaw } from "../../tools/raw.ts";
import { startServer } from "../../tools/server.ts";
import { Client, fieldsOf, imageOf, NOWHERE, onEachDriver, refused, sha256, sha512 } from "./client.ts";

onEachDriver("a blob is read back byte for byte, with its digest", async (t, client) => {
  const bytes = randomBytes(300_000);
  const digest = await client.pushBlob(bytes);
  const got = await client.send("GET", `blobs/${digest}`);
  t.is(got.status, 200);
  t.is(got.headers.get("docker-content-digest"), digest);
  t.is(got.headers.get("etag"), `"${digest}"`);
  t.is(got.headers.get("content-length"), "300000");
  t.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
});

onEachDriver("HEAD of a blob has the headers of GET", async (t, client) => {
  const digest = await client.pushBlob("content");
  const [got, head] = [
    await client.send("GET", `blobs/${digest}`),
    await client.send("HEAD", `blobs/${digest}`),
  ];
  t.deepEqual(fieldsOf(head), fieldsOf(got));
  t.is(head.headers.get("content-length"), "7");
  t.is(await head.text(), "");
});

onEachDriver("a part of a blob is 206", async (t, client) => {
  const digest = await client.pushBlob("0123456789");
  const part = await client.send("GET", `blobs/${digest}`, undefined, { Range: "bytes=2-4" });
  t.is(part.status, 206);
  t.is(part.headers.get("content-range"), "bytes 2-4/10");
  t.is(part.headers.get("docker-content-digest"), digest);
  t.is(await part.text(), "234");
  const end = await client.send("GET", `blobs/${digest}`, undefined, { Range: "bytes=-3" });
  t.is(await end.text(), "789");
});

test("a part behind the end is 416, and says how long the blob is", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const digest = await client.pushBlob("0123456789");
  const answer = await client.send("GET", `blobs/${digest}`, undefined, { Range: "bytes=10-" });
  t.is(answer.headers.get("content-range"), "bytes */10");
  const [error] = await refused(t, answer, 416, "UNSUPPORTED");
  t.is(error.detail.reason, "RANGE_INVALID");
});

test("whoever has a blob already is told so", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const digest = await client.pushBlob("content");
  const headers = { "If-None-Match": `"${digest}"` };
  t.is((await client.send("GET", `blobs/${digest}`, undefined, headers)).status, 304);
});

onEachDriver("a blob may be named by its sha512", async (t, client) => {
  const digest = await client.pushBlob("content", sha512("content"));
  const got = await client.send("GET", `blobs/${digest}`);
  t.is(got.headers.get("docker-content-digest"), digest);
  t.is(await got.text(), "content");
  t.is(await client.status("GET", `blobs/${sha256("content")}`), 404);
});

test("an empty blob is a blob", async (t) => {
  const client = new Client((await startServer(t)).url);
  const digest = await client.pushBlob("");
  t.is((await client.send("HEAD", `blobs/${digest}`)).headers.get("content-length"), "0");
});

test("the colon of a digest may be percent-encoded", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const digest = await client.pushBlob("content");
  t.is(await client.status("GET", `blobs/${digest.replace(":", "%3A")}`), 200);
  t.is(await client.status("GET", `blobs/${digest.replace(":", "%3a")}`), 200);
});

test("an unknown blob is 404, by GET and by HEAD", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const [error] = await refused(t, await client.send("GET", `blobs/${NOWHERE}`), 404, "BLOB_UNKNOWN");
  t.deepEqual(error.detail, { digest: NOWHERE });
  const head = await client.send("HEAD", `blobs/${NOWHERE}`);
  t.is(head.status, 404);
  t.is(await head.text(), "");
});

test("a blob is only in the repository that it was pushed to", async (t) => {
  const { url } = await startServer(t, { memory: true });
  const digest = await new Client(url).pushBlob("content");
  t.is(await new Client(url, "team/other").status("HEAD", `blobs/${digest}`), 404);
  t.is(await new Client(url, "team").status("HEAD", `blobs/${digest}`), 404);
});

test("a manifest is no blob", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushImage("a");
  t.is(await client.status("GET", `blobs/${sha256(imageOf("a"))}`), 404);
});

for (const digest of [
  ...[
    "sha256:abc",
    `sha256:${"A".repeat(64)}`,
    `md5:${"a".repeat(32)}`,
    "x",
    "%00",
    "..%2f..%2fetc%2fpasswd",
  ],
  ...[
    `sha256:${"a".repeat(64)}%00`,
    `sha256:${"a".repeat(64)}%2fx`,
    `${"a".repeat(64)}`,
    `sha256%253A${"a".repeat(64)}`,
  ],
]) {
  test(`no blob has the digest ${digest.slice(0, 24)} (${digest.length} characters)`, async (t) => {
    const client = new Client((await startServer(t, { memory: true })).url);
    for (const method of ["GET", "DELETE"]) {
      const [error] = await refused(t, await client.send(method, `blobs/${digest}`), 400, "DIGEST_INVALID");
      t.regex(error.detail.expected, /sha256:/);
    }
  });
}

test("what is not percent-encoded as it should be is 400", async (t) => {
  const { port } = await startServer(t, { memory: true });
  for (const path of ["blobs/%zz", "manifests/%e0%80%80", "referrers/%"]) {
    const request = `GET /v2/a/${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    t.regex(await sendRaw(port, request), /^HTTP\/1.1 400 .*"UNSUPPORTED"/s);
  }
});

test("a blob runs as no page of this server", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const digest = await client.pushBlob("<script>alert(1)</script>");
  const { headers } = await client.send("GET", `blobs/${digest}`);
  t.is(headers.get("x-content-type-options"), "nosniff");
  t.regex(headers.get("content-security-policy") ?? "", /sandbox/);
});
