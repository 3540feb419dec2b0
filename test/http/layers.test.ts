import { createHash, randomBytes } from "node:crypto";
import test from "ava";
import { json } from "../tools/json.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../tools/server.ts";

const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

test("a posted layer is answered with its digest and read back byte for byte", async (t) => {
  const { url } = await startServer(t);
  const bytes = randomBytes(3_000_000);
  const posted = await fetch(`${url}/layer`, { method: "POST", body: bytes });
  const layer = await json(posted);
  t.is(posted.status, 201);
  t.is(layer.digest, digestOf(bytes));
  t.is(layer.id, layer.digest);
  t.is(layer.size, bytes.length);
  t.is(posted.headers.get("location"), `/layer/${layer.digest}`);
  const got = await fetch(`${url}${posted.headers.get("location")}`);
  t.is(got.headers.get("etag"), `"${layer.digest}"`);
  t.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
});

test("an empty layer is a layer", async (t) => {
  const { url } = await startServer(t);
  const posted = await fetch(`${url}/layer`, { method: "POST" });
  t.is(posted.status, 201);
  const got = await fetch(`${url}${posted.headers.get("location")}`);
  t.is(got.status, 200);
  t.is(got.headers.get("content-length"), "0");
});

test("a body of unknown length is stored as well", async (t) => {
  const { url } = await startServer(t);
  const bytes = randomBytes(200_000);
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.subarray(0, 70_000));
      controller.enqueue(bytes.subarray(70_000));
      controller.close();
    },
  });
  const posted = await fetch(`${url}/layer`, { method: "POST", body, duplex: "half" });
  t.is((await json(posted)).digest, digestOf(bytes));
});

test("a layer is found by the bare hex of its digest", async (t) => {
  const { url } = await startServer(t);
  const posted = await fetch(`${url}/layer`, { method: "POST", body: "hello" });
  const { digest } = await json(posted);
  const got = await fetch(`${url}/layer/${digest.slice("sha256:".length)}`);
  t.is(await got.text(), "hello");
});

for (const [name, request] of [
  ["?digest=", (digest: string) => ({ query: `?digest=${digest}`, headers: {} })],
  [
    "Repr-Digest",
    (digest: string) => ({
      query: "",
      headers: { "Repr-Digest": `sha-256=:${Buffer.from(digest.slice(7), "hex").toString("base64")}:` },
    }),
  ],
  [
    "Content-Digest",
    (digest: string) => ({
      query: "",
      headers: { "Content-Digest": `sha-256=:${Buffer.from(digest.slice(7), "hex").toString("base64")}:` },
    }),
  ],
] as const) {
  test(`${name} is enforced: a right one is accepted, a wrong one stores nothing`, async (t) => {
    const { url, data } = await startServer(t);
    const send = (digest: string, body: string) => {
      const { query, headers } = request(digest);
      return fetch(`${url}/layer${query}`, { method: "POST", body, headers });
    };
    const wrong = await send(digestOf(Buffer.from("this")), "that");
    t.is(wrong.status, 400);
    t.is((await json(wrong)).errors[0].code, "DIGEST_INVALID");
    t.deepEqual(await storedBlobs(data), []);
    t.deepEqual(await unfinishedUploads(data), []);
    const right = await send(digestOf(Buffer.from("this")), "this");
    t.is(right.status, 201);
  });
}

test("a sha-512 beside the sha-256 is checked too", async (t) => {
  const { url } = await startServer(t);
  const sha512 = createHash("sha512").update("other").digest("base64");
  const answer = await fetch(`${url}/layer`, {
    method: "POST",
    body: "this",
    headers: { "Repr-Digest": `sha-512=:${sha512}:` },
  });
  t.is(answer.status, 400);
});

test("PUT under the right digest is 201, again is 200, under a wrong one 400", async (t) => {
  const { url, data } = await startServer(t);
  const bytes = randomBytes(100_000);
  const put = (id: string) => fetch(`${url}/layer/${id}`, { method: "PUT", body: bytes });
  t.is((await put(digestOf(bytes))).status, 201);
  t.is((await put(digestOf(bytes).slice(7))).status, 200);
  const wrong = await put(digestOf(Buffer.from("else")));
  t.is(wrong.status, 400);
  t.is((await json(wrong)).errors[0].code, "DIGEST_INVALID");
  t.is((await storedBlobs(data)).length, 1);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("PUT with If-None-Match: * does not send what is there already", async (t) => {
  const { url } = await startServer(t);
  const put = () =>
    fetch(`${url}/layer/${digestOf(Buffer.from("x"))}`, {
      method: "PUT",
      body: "x",
      headers: { "If-None-Match": "*" },
    });
  t.is((await put()).status, 201);
  t.is((await put()).status, 412);
});

test("a layer's media type is read from its bytes when the client does not say", async (t) => {
  const { url } = await startServer(t);
  const gzip = Buffer.from([0x1f, 0x8b, 8, 0]);
  const zstd = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
  const post = async (body: Buffer, type?: string) => {
    const headers: Record<string, string> = type === undefined ? {} : { "Content-Type": type };
    return (await json(await fetch(`${url}/layer`, { method: "POST", body, headers }))).mediaType;
  };
  t.is(await post(gzip), "application/vnd.oci.image.layer.v1.tar+gzip");
  t.is(await post(zstd, "application/x-www-form-urlencoded"), "application/vnd.oci.image.layer.v1.tar+zstd");
  t.is(await post(Buffer.from("text")), "application/octet-stream");
  t.is(await post(Buffer.from("wasm"), "application/wasm"), "application/wasm");
});

test("a layer is served as a file that no browser runs", async (t) => {
  const { url } = await startServer(t);
  const posted = await fetch(`${url}/layer`, {
    method: "POST",
    body: "<script>alert(1)</script>",
    headers: {
      "Content-Type": "text/html",
      "Content-Disposition": 'attachment; filename="../../pa\u00e4ge.html"',
    },
  });
  const { headers } = await fetch(`${url}${posted.headers.get("location")}`);
  t.is(headers.get("x-content-type-options"), "nosniff");
  t.regex(headers.get("content-security-policy") ?? "", /sandbox/);
  const disposition = headers.get("content-disposition") ?? "";
  t.regex(disposition, /^attachment; filename/);
  t.false(disposition.includes(".."));
});

test("the list has the newest first and pages of any size", async (t) => {
  const { url } = await startServer(t);
  const ids: string[] = [];
  for (let i = 0; i < 7; i += 1) {
    const posted = await fetch(`${url}/layer`, { method: "POST", body: `layer ${i}` });
    ids.unshift((await json(posted)).id);
  }
  const seen: string[] = [];
  let next: string | undefined = "/layer?n=3";
  while (next !== undefined) {
    const page = await fetch(`${url}${next}`);
    const body = await json(page);
    seen.push(...body.layers.map((layer: { id: string }) => layer.id));
    t.is(page.headers.get("link"), body.next === undefined ? null : `<${body.next}>; rel="next"`);
    next = body.next;
  }
  t.deepEqual(seen, ids);
  t.is((await json(await fetch(`${url}/layer?n=0`))).layers.length, 1);
  t.is((await json(await fetch(`${url}/layer?n=99999`))).layers.length, 7);
});

test("a deleted layer is gone, deleting it again is 404, sending it again brings it back", async (t) => {
  const { url } = await startServer(t);
  const post = async () =>
    (await fetch(`${url}/layer`, { method: "POST", body: "soon gone" })).headers.get("location");
  const location = await post();
  t.is((await fetch(`${url}${location}`, { method: "DELETE" })).status, 204);
  t.is((await fetch(`${url}${location}`)).status, 404);
  t.is((await fetch(`${url}${location}`, { method: "DELETE" })).status, 404);
  t.is(await post(), location);
  t.is(await (await fetch(`${url}${location}`)).text(), "soon gone");
});

test("sixteen uploads of the same bytes at once all succeed", async (t) => {
  const { url, data } = await startServer(t);
  const bytes = randomBytes(400_000);
  const put = () => fetch(`${url}/layer/${digestOf(bytes)}`, { method: "PUT", body: bytes });
  const answers = await Promise.all(Array.from({ length: 16 }, put));
  for (const answer of answers) t.true(answer.ok, String(answer.status));
  t.is((await storedBlobs(data)).length, 1);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("everything acknowledged is there after a restart", async (t) => {
  const first = await startServer(t);
  const posted = await fetch(`${first.url}/layer`, { method: "POST", body: "kept" });
  await first.stop();
  const second = await startServer(t, { data: first.data });
  t.is(await (await fetch(`${second.url}${posted.headers.get("location")}`)).text(), "kept");
  t.is((await json(await fetch(`${second.url}/layer`))).layers.length, 1);
});
