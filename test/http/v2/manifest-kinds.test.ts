import test from "ava";
import { startServer } from "../../tools/server.ts";
import {
  Client,
  describe,
  IMAGE_CONFIG,
  INDEX,
  imageOf,
  indexOf,
  MANIFEST,
  NOWHERE,
  onEachDriver,
  refused,
} from "./client.ts";

const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

test("parameters of the Content-Type are not served", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const manifest = await client.pushImage("layer");
  await client.putManifest("v1", manifest, { "Content-Type": `${MANIFEST}; charset=utf-8` });
  t.is((await client.send("GET", "manifests/v1")).headers.get("content-type"), MANIFEST);
});

for (const [type, make] of [
  [MANIFEST, (mediaType?: string) => imageOf("layer", { mediaType })],
  [DOCKER_MANIFEST, (mediaType?: string) => imageOf("layer", { mediaType })],
  [INDEX, (mediaType?: string) => indexOf([imageOf("layer")], { mediaType })],
  [DOCKER_LIST, (mediaType?: string) => indexOf([imageOf("layer")], { mediaType })],
] as const) {
  test(`${type} is taken, and served as such, with and without its own mediaType`, async (t) => {
    const client = new Client((await startServer(t, { memory: true })).url);
    await client.pushImage("layer");
    for (const [tag, manifest] of [
      ["with", make(type)],
      ["without", make()],
    ] as const) {
      t.is((await client.putManifest(tag, manifest, { "Content-Type": type })).status, 201);
      const got = await client.send("GET", `manifests/${tag}`);
      t.is(got.headers.get("content-type"), type);
      t.is(await got.text(), manifest);
    }
  });
}

test("a manifest without any layers is taken", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushBlob(IMAGE_CONFIG);
  t.is((await client.putManifest("v1", imageOf("", { layers: [] }))).status, 201);
  t.is((await client.putManifest("v2", indexOf([]), { "Content-Type": INDEX })).status, 201);
});

test("an artifact of a type of its own is taken", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  for (const blob of ["{}", "model"]) await client.pushBlob(blob);
  const artifact = imageOf("", {
    artifactType: "application/vnd.example.model",
    config: describe("application/vnd.oci.empty.v1+json", "{}"),
    layers: [describe("application/vnd.example.weights", "model")],
  });
  t.is((await client.putManifest("v1", artifact)).status, 201);
});

test("a foreign layer need not be here", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushBlob(IMAGE_CONFIG);
  const foreign = describe("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "elsewhere");
  t.is((await client.putManifest("v1", imageOf("", { layers: [foreign] }))).status, 201);
});

test("a manifest may be pushed before its subject, and OCI-Subject says that it was seen", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  for (const blob of [IMAGE_CONFIG, "layer"]) await client.pushBlob(blob);
  const subject = { mediaType: MANIFEST, digest: NOWHERE, size: 7 };
  const put = await client.putManifest("v1", imageOf("layer", { subject }));
  t.is(put.status, 201);
  t.is(put.headers.get("oci-subject"), NOWHERE);
  t.is((await client.putManifest("v2", imageOf("layer"))).headers.get("oci-subject"), null);
});

onEachDriver("a manifest of 4 MiB is taken, and a byte more is 413", async (t, client) => {
  for (const blob of [IMAGE_CONFIG, "layer"]) await client.pushBlob(blob);
  const manifest = imageOf("layer");
  const padded = (size: number) => manifest + " ".repeat(size - manifest.length);
  const most = 4 * 1024 * 1024;
  t.is((await client.putManifest("most", padded(most))).status, 201);
  t.is((await client.send("HEAD", "manifests/most")).headers.get("content-length"), String(most));
  const answer = await client.putManifest("more", padded(most + 1));
  const [error] = await refused(t, answer, 413, "SIZE_INVALID");
  t.like(error.detail, { reason: "REQUEST_TOO_LARGE", limit: most });
  t.is(await client.status("HEAD", "manifests/more"), 404);
});

test("a manifest of unknown length is taken, and refused once it is too large", async (t) => {
  const client = new Client((await startServer(t, { memory: true, maxManifestSize: 2000 })).url);
  const manifest = await client.pushImage("layer");
  const put = (text: string) => {
    const body = new Blob([text]).stream();
    const headers = { "Content-Type": MANIFEST };
    return fetch(`${client.url}/v2/team/app/manifests/v1`, { method: "PUT", body, headers, duplex: "half" });
  };
  t.is((await put(manifest)).status, 201);
  await refused(t, await put(manifest + " ".repeat(2000)), 413, "SIZE_INVALID");
});

test("config and layer types are the business of the client", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  for (const blob of ["{}", "chart"]) await client.pushBlob(blob);
  const manifest = imageOf("", {
    config: describe("application/vnd.cncf.helm.config.v1+json", "{}"),
    layers: [describe("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart")],
  });
  t.is((await client.putManifest("0.1.0", manifest)).status, 201);
});
