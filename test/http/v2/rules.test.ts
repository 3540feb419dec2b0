import { connect } from "node:net";
import test, { type ExecutionContext } from "ava";
import type { StoreOptions } from "../../../src/config.ts";
import { readUntil } from "../../tools/raw.ts";
import { startServer, storedBlobs } from "../../tools/server.ts";
import {
  Client,
  CONFIG,
  describe,
  IMAGE_CONFIG,
  INDEX,
  imageOf,
  indexOf,
  LAYER,
  MANIFEST,
  NOWHERE,
  refused,
  sha256,
} from "./client.ts";

async function serve(t: ExecutionContext, rules: StoreOptions["rules"], more: StoreOptions = {}) {
  const server = await startServer(t, { memory: true, ...more, ...(rules === undefined ? {} : { rules }) });
  return { ...server, client: new Client(server.url) };
}

test("nothing is pushed to, mounted into or deleted from a read-only repository", async (t) => {
  const { url, client, data } = await serve(t, [{ repositories: "team/app", readOnly: true }], {
    memory: false,
  });
  const digest = await new Client(url, "free").pushBlob("content");
  const before = await storedBlobs(data);
  for (const answer of [
    await client.send("POST", "blobs/uploads/"),
    await client.send("POST", `blobs/uploads/?digest=${sha256("x")}`, "x"),
    await client.send("POST", `blobs/uploads/?mount=${digest}&from=free`),
    await client.send("POST", `blobs/uploads/?mount=${digest}`),
    await client.putManifest("v1", imageOf("layer")),
    await client.send("DELETE", `blobs/${digest}`),
    await client.send("DELETE", "manifests/v1"),
    await client.send("DELETE", `manifests/${NOWHERE}`),
  ]) {
    const [error] = await refused(t, answer, 403, "DENIED");
    t.deepEqual(error.detail, { repository: "team/app", rule: "readOnly" });
  }
  t.deepEqual(await storedBlobs(data), before);
  t.is(await client.status("GET", "tags/list"), 404);
});

test("what a repository held before it became read-only can be read, and mounted elsewhere", async (t) => {
  const { url, data, stop } = await serve(t, [], { memory: false });
  const manifest = await new Client(url).pushImage("layer", { tag: "v1" });
  await stop();
  const later = await startServer(t, { data, rules: [{ repositories: "team/app", readOnly: true }] });
  const client = new Client(later.url);
  t.is(await (await client.send("GET", "manifests/v1")).text(), manifest);
  const other = new Client(later.url, "other");
  const mount = `blobs/uploads/?mount=${sha256("layer")}&from=team/app`;
  t.is((await other.send("POST", mount)).status, 201);
});

const immutable = [{ repositories: "**", immutableTags: ["v*"] }];

test("an immutable tag can be set once, and again to the same manifest", async (t) => {
  const { client } = await serve(t, immutable);
  const manifest = await client.pushImage("1", { tag: "v1" });
  t.is((await client.putManifest("v1", manifest)).status, 201);
  for (const blob of [IMAGE_CONFIG, "2"]) await client.pushBlob(blob);
  const [error] = await refused(t, await client.putManifest("v1", imageOf("2")), 403, "DENIED");
  t.deepEqual(error.detail, { tag: "v1", is: sha256(manifest) });
  t.is(await (await client.send("GET", "manifests/v1")).text(), manifest);
  t.is(await client.status("HEAD", `manifests/${sha256(imageOf("2"))}`), 404);
});

test("an immutable tag is not moved by a tag parameter either, nor are those beside it", async (t) => {
  const { client } = await serve(t, immutable);
  await client.pushImage("1", { tag: "v1" });
  const two = await client.pushImage("2");
  await refused(t, await client.putManifest(`${sha256(two)}?tag=new&tag=v1`, two), 403, "DENIED");
  t.deepEqual(await (await client.send("GET", "tags/list")).json(), { name: "team/app", tags: ["v1"] });
});

test("an immutable tag is not deleted, nor is the manifest that it names", async (t) => {
  const { client } = await serve(t, immutable);
  const manifest = await client.pushImage("1", { tag: "v1" });
  await client.putManifest("free", manifest);
  await refused(t, await client.send("DELETE", "manifests/v1"), 403, "DENIED");
  await refused(t, await client.send("DELETE", `manifests/${sha256(manifest)}`), 403, "DENIED");
  t.is(await client.status("DELETE", "manifests/free"), 202);
  t.is(await client.status("GET", "manifests/v1"), 200);
});

test("a tag that would be immutable and is not there is 404", async (t) => {
  const { client } = await serve(t, immutable);
  await refused(t, await client.send("DELETE", "manifests/v1"), 404, "MANIFEST_UNKNOWN");
});

test("of many who set an immutable tag at once, one does", async (t) => {
  const { client } = await serve(t, immutable);
  const images: string[] = [];
  for (const content of "abcdefgh") images.push(await client.pushImage(content));
  const answers = await Promise.all(images.map((image) => client.putManifest("v1", image)));
  t.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 403, 403, 403, 403, 403, 403, 403]);
});

test("media types that are not allowed are refused and named", async (t) => {
  const { client } = await serve(t, [{ repositories: "**", mediaTypes: ["application/vnd.oci.image.*"] }]);
  await client.pushImage("layer", { tag: "v1" });
  const artifact = imageOf("layer", { artifactType: "application/vnd.example.sbom" });
  const [error] = await refused(t, await client.putManifest("v2", artifact), 403, "DENIED");
  t.deepEqual(error.detail, { mediaTypes: ["application/vnd.example.sbom"], rule: "mediaTypes" });
  t.is(await client.status("HEAD", "manifests/v2"), 404);
});

const small = [{ repositories: "team/**", maxBlobSize: 10, maxManifestSize: 500 }];

test("a blob larger than allowed is 413 however it comes, and nothing of it is stored", async (t) => {
  const { client, url, data } = await serve(t, small, { memory: false });
  const [large, digest] = ["x".repeat(11), sha256("x".repeat(11))];
  const location = await client.open();
  for (const answer of [
    await client.send("POST", `blobs/uploads/?digest=${digest}`, large),
    await client.follow("PUT", `${await client.open()}?digest=${digest}`, large),
    await client.follow("PATCH", location, large),
    await client.follow("PUT", `${location}?digest=${digest}`, large),
  ]) {
    await refused(t, answer, 413, "SIZE_INVALID");
  }
  t.deepEqual(await storedBlobs(data), []);
  const elsewhere = await new Client(url, "free").pushBlob(large);
  const mount = await client.send("POST", `blobs/uploads/?mount=${elsewhere}&from=free`);
  await refused(t, mount, 413, "SIZE_INVALID");
  await client.pushBlob("x".repeat(10));
});

test("chunks that are too large together are 413", async (t) => {
  const { client } = await serve(t, small);
  const location = await client.open();
  t.is((await client.follow("PATCH", location, "123456")).status, 202);
  await refused(t, await client.follow("PATCH", location, "123456"), 413, "SIZE_INVALID");
  t.is((await client.follow("GET", location)).headers.get("range"), "0-5");
});

test("a chunk that is too large is refused before it is sent", async (t) => {
  const { client, port } = await serve(t, small);
  const location = await client.open();
  const socket = connect(port, "127.0.0.1");
  t.teardown(() => socket.destroy());
  const fields = "Host: localhost\r\nExpect: 100-continue\r\nContent-Length: 11\r\n";
  socket.write(`PATCH ${location} HTTP/1.1\r\n${fields}\r\n`);
  t.regex(await readUntil(socket, "\r\n\r\n"), /^HTTP\/1.1 413 /);
});

test("a manifest larger than the rule allows is 413", async (t) => {
  const { client } = await serve(t, [{ repositories: "**", maxManifestSize: 500 }]);
  const manifest = await client.pushImage("layer");
  await refused(t, await client.putManifest("v1", manifest.padEnd(501)), 413, "SIZE_INVALID");
  t.is((await client.putManifest("v1", manifest.padEnd(500))).status, 201);
});

test("a sparse repository takes manifests whose content is elsewhere, and others do not", async (t) => {
  const { client, url } = await serve(t, [{ repositories: "team/**", sparse: true }]);
  t.is((await client.putManifest("v1", imageOf("elsewhere"))).status, 201);
  t.is(await client.status("GET", `blobs/${sha256("elsewhere")}`), 404);
  const index = indexOf([imageOf("elsewhere"), imageOf("nowhere")]);
  t.is((await client.putManifest("all", index, { "Content-Type": INDEX })).status, 201);
  const free = new Client(url, "free");
  await refused(t, await free.putManifest("v1", imageOf("elsewhere")), 400, "MANIFEST_BLOB_UNKNOWN");
});

test("bytes that are allowed under one media type are not let in under another", async (t) => {
  const { client } = await serve(t, [{ repositories: "**", mediaTypes: [MANIFEST, CONFIG, LAYER] }]);
  for (const blob of [IMAGE_CONFIG, "layer"]) await client.pushBlob(blob);
  const layers = [describe(LAYER, "layer"), describe("application/x-evil", "layer")];
  const answer = await client.putManifest("v1", imageOf("", { layers }));
  const [error] = await refused(t, answer, 403, "DENIED");
  t.deepEqual(error.detail.mediaTypes, ["application/x-evil"]);
});
