import test from "ava";
import { sendRaw } from "../../tools/raw.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../../tools/server.ts";
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
  onEachDriver,
  refused,
  sha256,
} from "./client.ts";

onEachDriver(
  "everything that is missing is named, each by an error of its own",
  async (t, client, { data }) => {
    await client.pushBlob("here");
    const manifest = imageOf("here", {
      layers: ["here", "one", "two"].map((content) => describe(LAYER, content)),
    });
    const answer = await client.putManifest("v1", manifest);
    const errors = await refused(t, answer, 400, "MANIFEST_BLOB_UNKNOWN");
    const missing = [sha256(IMAGE_CONFIG), sha256("one"), sha256("two")];
    t.deepEqual(
      errors.map(({ code, detail }) => [code, detail.digest]),
      missing.map((digest) => ["MANIFEST_BLOB_UNKNOWN", digest]),
    );
    t.is(await client.status("HEAD", "manifests/v1"), 404);
    t.is(await client.status("HEAD", `manifests/${sha256(manifest)}`), 404);
    t.deepEqual(await unfinishedUploads(data), []);
  },
);

test("nothing of a refused manifest is stored", async (t) => {
  const { url, data } = await startServer(t);
  const client = new Client(url);
  await client.putManifest("v1", imageOf("missing"));
  await client.putManifest("v1", "no JSON");
  await client.putManifest(NOWHERE, imageOf("missing"));
  t.deepEqual([await storedBlobs(data), await unfinishedUploads(data)], [[], []]);
  t.deepEqual(await (await fetch(`${url}/v2/_catalog`)).json(), { repositories: [] });
});

test("a blob of another repository is missing in this one", async (t) => {
  const { url } = await startServer(t, { memory: true });
  const manifest = await new Client(url, "team/base").pushImage("layer");
  await refused(t, await new Client(url).putManifest("v1", manifest), 400, "MANIFEST_BLOB_UNKNOWN");
});

test("an index is refused while a manifest that it names is missing", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const here = await client.pushImage("here");
  const index = indexOf([here, imageOf("there")]);
  const answer = await client.putManifest("v1", index, { "Content-Type": INDEX });
  const errors = await refused(t, answer, 400, "MANIFEST_BLOB_UNKNOWN");
  t.deepEqual(
    errors.map(({ detail }) => detail.digest),
    [sha256(imageOf("there"))],
  );
  await client.pushImage("there");
  t.is((await client.putManifest("v1", index, { "Content-Type": INDEX })).status, 201);
});

test("a descriptor that gives a blob another size is refused", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  for (const blob of [IMAGE_CONFIG, "layer"]) await client.pushBlob(blob);
  const layers = [{ ...describe(LAYER, "layer"), size: 4 }];
  const answer = await client.putManifest("v1", imageOf("", { layers }));
  const [error] = await refused(t, answer, 400, "MANIFEST_INVALID");
  t.regex(error.detail[0].message, /5 bytes.*4/);
});

for (const [what, config, path] of [
  ["that is no JSON", "{", "$"],
  ["without what is required", "{}", "$.architecture"],
  ["with an unknown rootfs", IMAGE_CONFIG.replace("layers", "layers+base"), "$.rootfs.type"],
  ["with a key given twice", IMAGE_CONFIG.replace("{", '{"os":"windows",'), "$.os"],
] as const) {
  onEachDriver(`an image config ${what} is refused by its JSON path`, async (t, client) => {
    for (const blob of [config, "layer"]) await client.pushBlob(blob);
    const manifest = imageOf("layer", { config: describe(CONFIG, config) });
    const [error] = await refused(t, await client.putManifest("v1", manifest), 400, "MANIFEST_INVALID");
    t.is(error.detail[0].path, path);
    t.true(error.message.includes(sha256(config)));
    t.is(await client.status("HEAD", `manifests/${sha256(manifest)}`), 404);
    // Bytes that do not claim to be an image's config may be anything.
    const artifact = imageOf("layer", { config: describe("application/x.settings", config) });
    t.is((await client.putManifest("v1", artifact)).status, 201);
  });
}

onEachDriver(
  "a config of Docker's is checked as well, and one of many megabytes refused",
  async (t, client) => {
    const type = "application/vnd.docker.container.image.v1+json";
    const large = IMAGE_CONFIG.replace("{", `{"author":"${"a".repeat(100_000)}",`);
    const tooLarge = IMAGE_CONFIG.replace("{", `{"author":"${"a".repeat(5_000_000)}",`);
    for (const blob of ["{}", "layer", large, tooLarge]) await client.pushBlob(blob);
    const push = (config: string) =>
      client.putManifest("v1", imageOf("layer", { config: describe(type, config) }));
    await refused(t, await push("{}"), 400, "MANIFEST_INVALID");
    const [error] = await refused(t, await push(tooLarge), 400, "MANIFEST_INVALID");
    t.is(error.detail[0].path, "$.config.size");
    t.is((await push(large)).status, 201);
  },
);

test("the config of a sparse manifest may be missing", async (t) => {
  const client = new Client((await startServer(t, { memory: true, sparse: true })).url);
  t.is((await client.putManifest("v1", imageOf("layer"))).status, 201);
});

test("other bytes than the digest says are refused", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const manifest = await client.pushImage("layer");
  const [error] = await refused(t, await client.putManifest(NOWHERE, manifest), 400, "DIGEST_INVALID");
  t.deepEqual(error.detail, { expected: NOWHERE, actual: sha256(manifest) });
  t.is(await client.status("HEAD", `manifests/${NOWHERE}`), 404);
});

for (const [what, body] of [
  ["nothing", ""],
  ["no JSON", "{"],
  ["no object", "[]"],
  ["null", "null"],
  ["an empty object", "{}"],
  ["bytes that are no UTF-8", Buffer.from([0xff, 0xfe])],
  ["a key given twice", '{"schemaVersion":2,"schemaVersion":2}'],
  ["schemaVersion 3", imageOf("layer", { schemaVersion: 3 })],
  ["schema 1", imageOf("layer", { schemaVersion: 1, mediaType: undefined })],
  ["fsLayers", JSON.stringify({ schemaVersion: 1, name: "a", tag: "b", fsLayers: [], history: [] })],
  ["image and index at once", imageOf("layer", { manifests: [] })],
  ["another mediaType than the Content-Type", indexOf([])],
  ["a layer without a digest", imageOf("layer", { layers: [{ mediaType: LAYER, size: 1 }] })],
  ["a negative size", imageOf("layer", { layers: [{ ...describe(LAYER, "layer"), size: -1 }] })],
  [
    "an algorithm nobody can check",
    imageOf("", { layers: [{ mediaType: LAYER, digest: "md5:00", size: 1 }] }),
  ],
  ["annotations that are no strings", imageOf("layer", { annotations: { a: 1 } })],
  ["a subject without a digest", imageOf("layer", { subject: { mediaType: MANIFEST, size: 1 } })],
  ["objects in objects without end", `{"a":`.repeat(20_000)],
] as const) {
  test(`${what} is no manifest`, async (t) => {
    const client = new Client((await startServer(t, { memory: true })).url);
    for (const blob of [IMAGE_CONFIG, "layer"]) await client.pushBlob(blob);
    const [error] = await refused(t, await client.putManifest("v1", body), 400, "MANIFEST_INVALID");
    t.truthy(error.detail ?? error.message);
    t.is(await client.status("HEAD", "manifests/v1"), 404);
  });
}

for (const type of [
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
  "application/vnd.oci.artifact.manifest.v1+json",
  "text/html",
]) {
  test(`a manifest of ${type} is refused, and told why`, async (t) => {
    const client = new Client((await startServer(t, { memory: true })).url);
    const answer = await client.putManifest("v1", imageOf("layer"), { "Content-Type": type });
    const [error] = await refused(t, answer, 400, "MANIFEST_INVALID");
    t.regex(error.detail[0].message, /retired|never released|accepted/);
  });
}

test("a manifest that breaks off is not stored", async (t) => {
  const { url, port, data } = await startServer(t);
  const client = new Client(url);
  const manifest = await client.pushImage("layer");
  const before = (await storedBlobs(data)).length;
  const head = `PUT /v2/team/app/manifests/cut HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${MANIFEST}\r\n`;
  const announced = `Content-Length: ${manifest.length + 10}\r\n\r\n`;
  const answer = await sendRaw(port, `${head}${announced}${manifest}  `, { halfClose: true });
  t.regex(answer, /^HTTP\/1.1 400 /);
  t.is(await client.status("HEAD", "manifests/cut"), 404);
  t.is((await storedBlobs(data)).length, before);
});

test("a manifest with more bytes than announced is not stored", async (t) => {
  const { url, port } = await startServer(t);
  const client = new Client(url);
  const manifest = await client.pushImage("layer");
  const head = `PUT /v2/team/app/manifests/long HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${MANIFEST}\r\n`;
  const answer = await sendRaw(
    port,
    `${head}Content-Length: ${manifest.length}\r\n\r\n${manifest}garbage\r\n`,
  );
  t.regex(answer, /^HTTP\/1.1 400 /);
  t.is(await client.status("HEAD", "manifests/long"), 404);
});

test("a coded manifest is 415", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const manifest = await client.pushImage("layer");
  const answer = await client.putManifest("v1", manifest, { "Content-Encoding": "gzip" });
  await refused(t, answer, 415, "UNSUPPORTED");
});

test("a part of a manifest cannot be put (RFC 9110 §9.3.4)", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const manifest = await client.pushImage("layer");
  const range = { "Content-Range": `bytes 0-${manifest.length - 1}/5000` };
  await refused(t, await client.putManifest("v1", manifest, range), 400, "UNSUPPORTED");
  t.is(await client.status("HEAD", "manifests/v1"), 404);
});

test("a config of the same digest and two sizes is refused", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushBlob(IMAGE_CONFIG);
  const layers = [{ ...describe(CONFIG, IMAGE_CONFIG), size: 3 }];
  await refused(t, await client.putManifest("v1", imageOf("", { layers })), 400, "MANIFEST_INVALID");
});
