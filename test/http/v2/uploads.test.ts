import { randomBytes } from "node:crypto";
import test from "ava";
import { startServer, storedBlobs, unfinishedUploads } from "../../tools/server.ts";
import { Client, NOWHERE, onEachDriver, refused, sha256, sha512 } from "./client.ts";

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

onEachDriver("POST, then PUT: a blob, pullable where Location says", async (t, client) => {
  const opened = await client.send("POST", "blobs/uploads/");
  t.is(opened.status, 202);
  t.regex(opened.headers.get("location") ?? "", UUID);
  t.regex(opened.headers.get("oci-chunk-min-length") ?? "", /^\d+$/);
  const location = `${opened.headers.get("location")}?digest=${sha256("content")}`;
  const put = await client.follow("PUT", location, "content");
  t.is(put.status, 201);
  t.is(put.headers.get("docker-content-digest"), sha256("content"));
  t.is(await (await client.follow("GET", put.headers.get("location"))).text(), "content");
});

onEachDriver("POST, then PUT of more than is kept in memory", async (t, client) => {
  const bytes = randomBytes(200_000);
  const put = await client.follow("PUT", `${await client.open()}?digest=${sha256(bytes)}`, bytes);
  t.is(put.status, 201);
  const got = await client.follow("GET", put.headers.get("location"));
  t.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
});

onEachDriver("a single POST stores a blob", async (t, client) => {
  const posted = await client.send("POST", `blobs/uploads/?digest=${sha256("content")}`, "content");
  t.is(posted.status, 201);
  t.is(posted.headers.get("docker-content-digest"), sha256("content"));
  t.is(await (await client.follow("GET", posted.headers.get("location"))).text(), "content");
});

test("the slash at the end of blobs/uploads/ may be missing", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  t.is(await client.status("POST", "blobs/uploads"), 202);
});

test("each session has an id of its own", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const locations = await Promise.all(Array.from({ length: 50 }, () => client.open()));
  t.is(new Set(locations).size, 50);
});

onEachDriver("a single POST of other bytes than announced stores nothing", async (t, client, { data }) => {
  const posted = await client.send("POST", `blobs/uploads/?digest=${sha256("this")}`, "that");
  const [error] = await refused(t, posted, 400, "DIGEST_INVALID");
  t.deepEqual(error.detail, { expected: sha256("this"), actual: sha256("that") });
  t.is(await client.status("HEAD", `blobs/${sha256("that")}`), 404);
  t.deepEqual([await storedBlobs(data), await unfinishedUploads(data)], [[], []]);
});

for (const size of [4, 100_000]) {
  onEachDriver(`a PUT of ${size} other bytes than announced stores nothing`, async (t, client, { data }) => {
    const put = await client.follow("PUT", `${await client.open()}?digest=${NOWHERE}`, "x".repeat(size));
    await refused(t, put, 400, "DIGEST_INVALID");
    t.is(await client.status("HEAD", `blobs/${NOWHERE}`), 404);
    t.deepEqual([await storedBlobs(data), await unfinishedUploads(data)], [[], []]);
  });
}

for (const digest of ["", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "nonsense", "sha256:", ":"]) {
  test(`a blob cannot be pushed as ${digest || "nothing"}`, async (t) => {
    const { url, data } = await startServer(t);
    const client = new Client(url);
    const posted = await client.send("POST", `blobs/uploads/?digest=${digest}`, "x");
    await refused(t, posted, 400, "DIGEST_INVALID");
    const location = await client.open();
    await refused(t, await client.follow("PUT", `${location}?digest=${digest}`, "x"), 400, "DIGEST_INVALID");
    t.deepEqual([await storedBlobs(data), await unfinishedUploads(data)], [[], []]);
  });
}

test("a PUT without ?digest= is told what is missing, and may come again with it", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const location = await client.open();
  const [error] = await refused(t, await client.follow("PUT", location, "x"), 400, "DIGEST_INVALID");
  t.regex(error.message, /\?digest=/);
  t.is((await client.follow("PUT", `${location}?digest=${sha256("x")}`, "x")).status, 201);
});

for (const size of [7, 100_000]) {
  onEachDriver(`a session ends with its PUT (${size} bytes)`, async (t, client) => {
    const content = "x".repeat(size);
    const location = await client.open();
    t.is((await client.follow("PUT", `${location}?digest=${sha256(content)}`, content)).status, 201);
    const again = await client.follow("PUT", `${location}?digest=${sha256(content)}`, content);
    await refused(t, again, 404, "BLOB_UPLOAD_UNKNOWN");
    await refused(t, await client.follow("GET", location), 404, "BLOB_UPLOAD_UNKNOWN");
    await refused(t, await client.follow("PATCH", location, "x"), 404, "BLOB_UPLOAD_UNKNOWN");
    await refused(t, await client.follow("DELETE", location), 404, "BLOB_UPLOAD_UNKNOWN");
    t.is(await client.status("HEAD", `blobs/${sha256(content)}`), 200);
  });
}

test("what was never a session is 404", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const ids = ["00000000-0000-0000-0000-000000000000", "x", "..%2f..%2fetc", "%00", `put-${"0".repeat(40)}`];
  for (const id of ids) {
    for (const [method, path] of [
      ["GET", `blobs/uploads/${id}`],
      ["PATCH", `blobs/uploads/${id}`],
      ["PUT", `blobs/uploads/${id}?digest=${NOWHERE}`],
      ["DELETE", `blobs/uploads/${id}`],
    ] as const) {
      await refused(t, await client.send(method, path), 404, "BLOB_UPLOAD_UNKNOWN");
    }
  }
});

for (const sent of ["", "some"]) {
  onEachDriver(`a cancelled session is gone (${sent.length} bytes sent)`, async (t, client, { data }) => {
    const location = await client.open();
    if (sent !== "") await client.follow("PATCH", location, sent);
    const cancelled = await client.follow("DELETE", location);
    t.is(cancelled.status, 204);
    await refused(t, await client.follow("GET", location), 404, "BLOB_UPLOAD_UNKNOWN");
    await refused(t, await client.follow("DELETE", location), 404, "BLOB_UPLOAD_UNKNOWN");
    t.deepEqual(await unfinishedUploads(data), []);
  });
}

onEachDriver("a session for sha512 makes a blob of that digest", async (t, client) => {
  const location = await client.open("?digest-algorithm=sha512");
  await client.follow("PATCH", location, "con");
  const put = await client.follow("PUT", `${location}?digest=${sha512("content")}`, "tent");
  t.is(put.status, 201);
  t.is(put.headers.get("docker-content-digest"), sha512("content"));
});

onEachDriver("a session may end with a digest of another algorithm than it began with", async (t, client) => {
  const location = await client.open();
  await client.follow("PATCH", location, "con");
  const put = await client.follow("PUT", `${location}?digest=${sha512("content")}`, "tent");
  t.is(put.status, 201);
  t.is(await client.status("HEAD", `blobs/${sha512("content")}`), 200);
});

test("an algorithm that is not supported is refused, and those that are are named", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  for (const name of ["md5", "", "SHA256", "__proto__", "x".repeat(5000)]) {
    const answer = await client.send("POST", `blobs/uploads/?digest-algorithm=${name}`);
    const [error] = await refused(t, answer, 400, "DIGEST_INVALID");
    t.deepEqual(error.detail.supported, ["sha256", "sha512"]);
  }
});

test("pushing a blob again is as good as the first time", async (t) => {
  const { url, data } = await startServer(t);
  const client = new Client(url);
  await client.pushBlob("content");
  await client.pushBlob("content");
  t.is((await storedBlobs(data)).length, 1);
});

test("a coded body is 415: the digest covers the bytes as they are stored", async (t) => {
  const { url, data } = await startServer(t);
  const client = new Client(url);
  const coded = { "Content-Encoding": "gzip" };
  const location = await client.open();
  for (const answer of [
    await client.send("POST", `blobs/uploads/?digest=${sha256("x")}`, "x", coded),
    await client.follow("PATCH", location, "x", coded),
    await client.follow("PUT", `${location}?digest=${sha256("x")}`, "x", coded),
  ]) {
    t.is(answer.headers.get("accept-encoding"), "identity");
    await refused(t, answer, 415, "UNSUPPORTED");
  }
  t.deepEqual(await storedBlobs(data), []);
});
