import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import test from "ava";
import { json } from "../tools/json.ts";
import { startServer } from "../tools/server.ts";
import { makeTar } from "../tools/tar.ts";

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const tars = ["a", "b", "c"].map((name) =>
  makeTar([{ name: `${name}.txt`, data: Buffer.from(`file ${name}`) }]),
);

async function post(url: string, path: string, body: Buffer | object) {
  const answer = await fetch(`${url}${path}`, {
    method: "POST",
    body: Buffer.isBuffer(body) ? body : JSON.stringify(body),
    headers: Buffer.isBuffer(body) ? {} : { "Content-Type": "application/json" },
  });
  return { status: answer.status, headers: answer.headers, body: await json(answer) };
}

async function postLayers(url: string): Promise<string[]> {
  const packed = [tars[0], gzipSync(tars[1] ?? ""), zstdCompressSync(tars[2] ?? "")];
  const ids: string[] = [];
  for (const bytes of packed) ids.push((await post(url, "/layer", bytes ?? Buffer.alloc(0))).body.id);
  return ids;
}

test("layers in, OCI manifest out: true diff_ids, the order kept, readable by id and tag", async (t) => {
  const { url } = await startServer(t);
  const layers = await postLayers(url);
  const posted = await post(url, "/manifest", {
    layers: [...layers, { digest: layers[0], annotations: { again: "yes" } }],
    config: { architecture: "arm64", os: "linux", config: { Env: ["A=1"], Cmd: ["/bin/sh"] } },
    annotations: { "org.opencontainers.image.title": "three" },
    tag: "v1",
  });
  t.is(posted.status, 201);
  const { manifest, id } = posted.body;
  t.deepEqual(
    manifest.layers.map((layer: { digest: string }) => layer.digest),
    [...layers, layers[0]],
  );
  t.deepEqual(manifest.layers[3].annotations, { again: "yes" });
  t.is(manifest.schemaVersion, 2);
  const got = await fetch(`${url}/manifest/v1`);
  const bytes = Buffer.from(await got.arrayBuffer());
  t.is(got.headers.get("content-type"), "application/vnd.oci.image.manifest.v1+json");
  t.is(sha256(bytes), id);
  t.deepEqual(JSON.parse(bytes.toString()), manifest);
  const config = await json(await fetch(`${url}/layer/${manifest.config.digest}`));
  t.deepEqual(config.rootfs, {
    type: "layers",
    diff_ids: [...tars, tars[0]].map((tar) => sha256(tar ?? Buffer.alloc(0))),
  });
  t.is(config.architecture, "arm64");
  t.deepEqual(config.config.Env, ["A=1"]);
});

test("the same input gives the same id, whatever the order of its keys", async (t) => {
  const { url } = await startServer(t);
  const layers = await postLayers(url);
  const one = await post(url, "/manifest", { layers, annotations: { a: "1", b: "2" } });
  const two = await post(url, "/manifest", { annotations: { b: "2", a: "1" }, layers });
  t.is(one.body.id, two.body.id);
  t.is((await json(await fetch(`${url}/manifest`))).manifests.length, 1);
});

test("missing layers are all named", async (t) => {
  const { url } = await startServer(t);
  const [layer] = await postLayers(url);
  const missing = ["1", "2"].map((digit) => `sha256:${digit.repeat(64)}`);
  const posted = await post(url, "/manifest", { layers: [missing[0], layer, missing[1]] });
  t.is(posted.status, 400);
  t.is(posted.body.errors[0].code, "MANIFEST_BLOB_UNKNOWN");
  t.deepEqual(posted.body.errors[0].detail.missing, missing);
});

test("a layer that is no tar is refused, and taken with an artifactType", async (t) => {
  const { url } = await startServer(t);
  const { id } = (await post(url, "/layer", Buffer.from("not a tar"))).body;
  const refused = await post(url, "/manifest", { layers: [id] });
  t.is(refused.status, 400);
  t.is(refused.body.errors[0].code, "LAYER_INVALID");
  t.true(refused.body.errors[0].message.includes(id));
  const taken = await post(url, "/manifest", { layers: [id], artifactType: "application/x-thing" });
  t.is(taken.status, 201);
  t.is(taken.body.manifest.config.mediaType, "application/vnd.oci.empty.v1+json");
  t.is(taken.body.manifest.artifactType, "application/x-thing");
});

test("a manifest with a subject says which", async (t) => {
  const { url } = await startServer(t);
  const layers = await postLayers(url);
  const image = (await post(url, "/manifest", { layers })).body;
  const note = await post(url, "/manifest", {
    layers: [],
    subject: image.id,
    artifactType: "application/x-note",
  });
  t.is(note.status, 201);
  t.deepEqual(note.body.manifest.subject, { mediaType: image.mediaType, digest: image.id, size: image.size });
  const unknown = await post(url, "/manifest", { layers, subject: `sha256:${"9".repeat(64)}` });
  t.is(unknown.status, 404);
});

test("unknown keys are named by their path", async (t) => {
  const { url } = await startServer(t);
  const posted = await post(url, "/manifest", {
    layers: [{ digest: `sha256:${"1".repeat(64)}`, sise: 3 }],
    anotations: {},
    config: { config: { Environment: [] } },
  });
  t.is(posted.status, 400);
  t.is(posted.body.errors[0].code, "MANIFEST_INVALID");
  const paths = posted.body.errors[0].detail.map((fault: { path: string }) => fault.path).sort();
  t.deepEqual(paths, ["$.anotations", "$.config.config.Environment", "$.layers[0].sise"]);
});

test("a layer that a manifest needs cannot be deleted before the manifest is", async (t) => {
  const { url } = await startServer(t);
  const layers = await postLayers(url);
  const { id } = (await post(url, "/manifest", { layers, tag: "t" })).body;
  const remove = (path: string) => fetch(`${url}${path}`, { method: "DELETE" });
  const refused = await remove(`/layer/${layers[0]}`);
  t.is(refused.status, 409);
  t.deepEqual((await json(refused)).errors[0].detail.manifests, [id]);
  t.is((await remove("/manifest/t")).status, 204);
  t.is((await fetch(`${url}/manifest/t`)).status, 404);
  t.is((await fetch(`${url}/manifest/${id}`)).status, 404);
  t.is((await remove(`/layer/${layers[0]}`)).status, 204);
});

test("a tag moves to the manifest posted last; the list shows tags, newest first", async (t) => {
  const { url } = await startServer(t);
  const layers = await postLayers(url);
  const one = (await post(url, "/manifest", { layers, tag: "latest" })).body.id;
  const two = (await post(url, "/manifest", { layers: layers.slice(1), tag: "latest" })).body.id;
  const current = await fetch(`${url}/manifest/latest`);
  t.is(current.headers.get("docker-content-digest"), two);
  t.regex(current.headers.get("cache-control") ?? "", /no-cache/);
  t.regex((await fetch(`${url}/manifest/${one}`)).headers.get("cache-control") ?? "", /immutable/);
  const { manifests } = await json(await fetch(`${url}/manifest`));
  t.deepEqual(
    manifests.map((manifest: { id: string; tags: string[] }) => [manifest.id, manifest.tags]),
    [
      [two, ["latest"]],
      [one, []],
    ],
  );
});

test("a tag that looks like an id does not hide the manifest with that id", async (t) => {
  const { url } = await startServer(t);
  const layers = await postLayers(url);
  const one = (await post(url, "/manifest", { layers })).body.id;
  const two = (await post(url, "/manifest", { layers: layers.slice(1), tag: one.slice(7) })).body.id;
  t.not(one, two);
  t.is((await fetch(`${url}/manifest/${one.slice(7)}`)).headers.get("docker-content-digest"), one);
});

for (const [what, body, type, status, code] of [
  ["text", "not json", "application/json", 400, "JSON_INVALID"],
  ["nothing", "", "application/json", 400, "MANIFEST_INVALID"],
  ["a string", '"x"', "application/json", 400, "JSON_INVALID"],
  ["an array", "[]", "application/json", 400, "MANIFEST_INVALID"],
  [
    "five MiB",
    JSON.stringify({ layers: ["x".repeat(5 << 20)] }),
    "application/json",
    413,
    "REQUEST_TOO_LARGE",
  ],
  ["no layers", '{"layers":[]}', "application/x-www-form-urlencoded", 400, "MANIFEST_INVALID"],
] as const) {
  test(`posting ${what} as a manifest is ${status}`, async (t) => {
    const { url } = await startServer(t);
    const answer = await fetch(`${url}/manifest`, {
      method: "POST",
      body,
      headers: { "Content-Type": type },
    });
    t.is(answer.status, status);
    t.is((await json(answer)).errors[0].code, code);
  });
}

test("a document of a million values is refused before anybody looks at them", async (t) => {
  const { url } = await startServer(t);
  const body = { layers: ["x"], config: { config: { Env: Array.from({ length: 1_000_000 }, () => "x") } } };
  t.is((await post(url, "/manifest", body)).status, 413);
});

test("annotations that would fill every listing are refused", async (t) => {
  const { url } = await startServer(t);
  const layers = await postLayers(url);
  const refused = await post(url, "/manifest", { layers, annotations: { a: "x".repeat(70_000) } });
  t.is(refused.status, 400);
  t.regex(refused.body.errors[0].message, /65536 characters/);
});
