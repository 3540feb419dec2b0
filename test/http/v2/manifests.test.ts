import test from "ava";
import { startServer } from "../../tools/server.ts";
import {
  Client,
  fieldsOf,
  IMAGE_CONFIG,
  INDEX,
  imageOf,
  MANIFEST,
  onEachDriver,
  sha256,
  sha512,
} from "./client.ts";

onEachDriver("a manifest pushed by tag is there by tag and by digest, byte for byte", async (t, client) => {
  for (const blob of ["layer", IMAGE_CONFIG]) await client.pushBlob(blob);
  const manifest = `  ${imageOf("layer")}\n\n`;
  const put = await client.putManifest("v1", manifest);
  t.is(put.status, 201);
  t.is(put.headers.get("location"), `/v2/team/app/manifests/${sha256(manifest)}`);
  t.is(put.headers.get("docker-content-digest"), sha256(manifest));
  for (const reference of ["v1", sha256(manifest)]) {
    const got = await client.send("GET", `manifests/${reference}`);
    t.is(got.status, 200);
    t.is(got.headers.get("content-type"), MANIFEST);
    t.is(got.headers.get("docker-content-digest"), sha256(manifest));
    t.is(got.headers.get("etag"), `"${sha256(manifest)}"`);
    t.is(await got.text(), manifest);
  }
});

onEachDriver("HEAD of a manifest has the headers of GET", async (t, client) => {
  const manifest = await client.pushImage("layer", { tag: "v1" });
  for (const reference of ["v1", sha256(manifest)]) {
    const got = await client.send("GET", `manifests/${reference}`);
    const head = await client.send("HEAD", `manifests/${reference}`);
    t.deepEqual(fieldsOf(head), fieldsOf(got));
    t.is(head.headers.get("content-length"), String(manifest.length));
  }
});

onEachDriver("a manifest pushed by digest has no tag", async (t, client) => {
  const manifest = await client.pushImage("layer");
  t.is(await client.status("HEAD", `manifests/${sha256(manifest)}`), 200);
  t.deepEqual(await (await client.send("GET", "tags/list")).json(), { name: "team/app", tags: [] });
});

onEachDriver("a manifest may be pushed by its sha512", async (t, client) => {
  const manifest = await client.pushImage("layer");
  const digest = sha512(manifest);
  const put = await client.putManifest(`${digest}?tag=strong`, manifest);
  t.is(put.status, 201);
  t.is(put.headers.get("docker-content-digest"), digest);
  t.is(put.headers.get("location"), `/v2/team/app/manifests/${digest}`);
  t.is((await client.send("GET", "manifests/strong")).headers.get("docker-content-digest"), digest);
  t.is(await (await client.send("GET", `manifests/${digest}`)).text(), manifest);
});

onEachDriver("tag parameters set tags beside the digest, and OCI-Tag names them", async (t, client) => {
  const manifest = await client.pushImage("layer");
  const tags = Array.from({ length: 12 }, (_, at) => `t${at}`);
  const query = tags.map((tag) => `tag=${tag}`).join("&");
  const put = await client.putManifest(`${sha256(manifest)}?${query}`, manifest);
  t.is(put.status, 201);
  t.deepEqual(put.headers.get("oci-tag")?.split(", "), tags);
  for (const tag of tags) {
    const got = await client.send("HEAD", `manifests/${tag}`);
    t.is(got.headers.get("docker-content-digest"), sha256(manifest));
  }
});

test("without tag parameters there is no OCI-Tag", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const manifest = await client.pushImage("layer");
  t.is((await client.putManifest("v1", manifest)).headers.get("oci-tag"), null);
});

test("every tag parameter is set, be they a thousand and more", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const manifest = await client.pushImage("layer");
  const tags = Array.from({ length: 1500 }, (_, at) => `t${at}`);
  const query = tags.map((tag) => `tag=${tag}`).join("&");
  const put = await client.putManifest(`${sha256(manifest)}?${query}`, manifest);
  t.is(put.status, 201);
  const { tags: set } = (await (await client.send("GET", "tags/list")).json()) as { tags: string[] };
  t.deepEqual(set, tags.toSorted());
  t.deepEqual(put.headers.get("oci-tag")?.split(", "), tags);
});

test("a tag given twice is set once", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const manifest = await client.pushImage("layer");
  const put = await client.putManifest(`${sha256(manifest)}?tag=a&tag=b&tag=a`, manifest);
  t.is(put.headers.get("oci-tag"), "a, b");
});

test("a tag moves to the manifest pushed last", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const [one, two] = [await client.pushImage("1", { tag: "v" }), await client.pushImage("2", { tag: "v" })];
  t.is(await (await client.send("GET", "manifests/v")).text(), two);
  t.is(await (await client.send("GET", `manifests/${sha256(one)}`)).text(), one);
});

test("pushing the same manifest again changes nothing, and succeeds", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  for (const _ of [1, 2]) await client.pushImage("layer", { tag: "v1" });
  t.is(await client.status("GET", "manifests/v1"), 200);
});

test("what is named by its digest may be kept for good, what is named by a tag may not", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const manifest = await client.pushImage("layer", { tag: "v1" });
  const cache = async (reference: string) =>
    (await client.send("GET", `manifests/${reference}`)).headers.get("cache-control");
  t.regex((await cache(sha256(manifest))) ?? "", /immutable/);
  t.is(await cache("v1"), "public, no-cache");
});

test("a manifest is what was pushed, whatever the client accepts", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushImage("layer", { tag: "v1" });
  for (const Accept of ["text/html", INDEX, "*/*;q=0", "nonsense"]) {
    const got = await client.send("GET", "manifests/v1", undefined, { Accept });
    t.is(got.headers.get("content-type"), MANIFEST);
  }
});

test("a part of a manifest is 206, and one that is known already 304", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const manifest = await client.pushImage("layer", { tag: "v1" });
  const part = await client.send("GET", "manifests/v1", undefined, { Range: "bytes=0-9" });
  t.is(part.status, 206);
  t.is(await part.text(), manifest.slice(0, 10));
  const known = { "If-None-Match": `"${sha256(manifest)}"` };
  t.is((await client.send("GET", "manifests/v1", undefined, known)).status, 304);
  t.is((await client.send("HEAD", "manifests/v1", undefined, known)).status, 304);
});
