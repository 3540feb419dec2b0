import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { json } from "../../tools/json.ts";
import { blobsOf, digestOf, type Image, MANIFEST, makeImage, writeLayout } from "./image.ts";
import { openWorkplace } from "./workplace.ts";

/** A workplace whose registry has got the images, as `app:v1`, from the OCI layout `layout`. */
async function withImage(t: ExecutionContext, images: readonly Image[]) {
  const place = await openWorkplace(t, ["skopeo"]);
  if (place === undefined) return undefined;
  const { directory, registry, run } = place;
  const image = `docker://${registry}/app:v1`;
  const digest = await writeLayout(join(directory, "layout"), "v1", images);
  const every = images.length > 1 ? ["--all"] : [];
  await run("skopeo", ["copy", ...every, "--dest-tls-verify=false", "oci:layout:v1", image]);
  return { ...place, image, digest };
}

test("skopeo copies an image from an OCI layout and back, byte for byte", async (t) => {
  const place = await withImage(t, [makeImage()]);
  if (place === undefined) return;
  const { url, run, image, directory, digest } = place;
  const manifest = await fetch(`${url}/v2/app/manifests/v1`, { headers: { Accept: MANIFEST } });
  t.is(manifest.headers.get("docker-content-digest"), digest);
  await run("skopeo", ["copy", "--src-tls-verify=false", image, "oci:got:v1"]);
  t.deepEqual(await blobsOf(join(directory, "got")), await blobsOf(join(directory, "layout")));
});

test("skopeo pushes an image in Docker's format", async (t) => {
  const original = makeImage();
  const place = await withImage(t, [original]);
  if (place === undefined) return;
  const { url, run, registry, directory } = place;
  const image = `docker://${registry}/docker:v1`;
  await run("skopeo", ["copy", "--format", "v2s2", "--dest-tls-verify=false", "oci:layout:v1", image]);
  const type = "application/vnd.docker.distribution.manifest.v2+json";
  const answer = await fetch(`${url}/v2/docker/manifests/v1`, { headers: { Accept: type } });
  t.is(answer.headers.get("content-type"), type);
  await run("skopeo", ["copy", "--src-tls-verify=false", image, "dir:got"]);
  const manifest = await readFile(join(directory, "got/manifest.json"));
  t.is(answer.headers.get("docker-content-digest"), digestOf(manifest));
  const layers = JSON.parse(manifest.toString()).layers.map((layer: { digest: string }) => layer.digest);
  t.deepEqual(
    layers,
    original.layers.map(({ digest }) => digest),
  );
});

test("skopeo --all copies the image of every platform", async (t) => {
  const images = ["amd64", "arm64", "riscv64"].map((architecture) => makeImage({ architecture }));
  const place = await withImage(t, images);
  if (place === undefined) return;
  const { url, run, image, directory, digest } = place;
  const index = await fetch(`${url}/v2/app/manifests/v1`);
  t.is(digestOf(Buffer.from(await index.arrayBuffer())), digest);
  await run("skopeo", ["copy", "--all", "--src-tls-verify=false", image, "oci:got:v1"]);
  t.deepEqual(await blobsOf(join(directory, "got")), await blobsOf(join(directory, "layout")));
});

test("skopeo copies the image of one platform out of an index", async (t) => {
  const [amd64, arm64] = [makeImage(), makeImage({ architecture: "arm64" })];
  const place = await withImage(t, [amd64, arm64]);
  if (place === undefined) return;
  const { run, image, directory } = place;
  await run("skopeo", ["--override-arch", "arm64", "copy", "--src-tls-verify=false", image, "oci:got:v1"]);
  const blobs = [arm64.manifest, arm64.config, ...arm64.layers].map(({ digest }) => digest);
  t.deepEqual(await blobsOf(join(directory, "got")), blobs.sort());
});

test("skopeo inspect and list-tags tell what there is", async (t) => {
  const original = makeImage({ labels: { flavour: "vanilla" } });
  const place = await withImage(t, [original]);
  if (place === undefined) return;
  const { run, registry, image, digest } = place;
  const second = `docker://${registry}/app:v2`;
  await run("skopeo", ["copy", "--src-tls-verify=false", "--dest-tls-verify=false", image, second]);
  const told = JSON.parse(await run("skopeo", ["inspect", "--tls-verify=false", image]));
  t.is(told.Name, `${registry}/app`);
  t.is(told.Digest, digest);
  t.deepEqual(told.RepoTags, ["v1", "v2"]);
  t.deepEqual(told.Labels, { flavour: "vanilla" });
  t.deepEqual(
    told.Layers,
    original.layers.map((layer) => layer.digest),
  );
  const listed = await run("skopeo", ["list-tags", "--tls-verify=false", `docker://${registry}/app`]);
  t.deepEqual(JSON.parse(listed).Tags, ["v1", "v2"]);
});

test("skopeo delete removes the image and its tag", async (t) => {
  const place = await withImage(t, [makeImage()]);
  if (place === undefined) return;
  const { url, run, attempt, image, digest } = place;
  await run("skopeo", ["delete", "--tls-verify=false", image]);
  t.is((await fetch(`${url}/v2/app/manifests/${digest}`)).status, 404);
  const { code, stderr } = await attempt("skopeo", ["inspect", "--tls-verify=false", image]);
  t.is(code, 1);
  t.regex(stderr, /manifest unknown/);
  t.deepEqual((await json(await fetch(`${url}/v2/app/tags/list`))).tags ?? [], []);
});
