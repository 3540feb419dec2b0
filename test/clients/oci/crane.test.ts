import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { makeTar } from "../../tools/tar.ts";
import { dockerArchive, type Image, makeImage, writeLayout } from "./image.ts";
import { openWorkplace } from "./workplace.ts";

/** A workplace whose registry has got the images, as `app:v1`, from the OCI layout `layout`. */
async function withImage(t: ExecutionContext, images: readonly Image[]) {
  const place = await openWorkplace(t, ["crane"]);
  if (place === undefined) return undefined;
  const image = `${place.registry}/app:v1`;
  const digest = await writeLayout(join(place.directory, "layout"), "v1", images);
  const crane = async (...args: string[]) => (await place.run("crane", ["--insecure", ...args])).trimEnd();
  await crane("push", "layout", image);
  return { ...place, crane, image, digest };
}

test("crane pushes what `docker save` wrote, and pulls the same image", async (t) => {
  const place = await openWorkplace(t, ["crane", "tar"]);
  if (place === undefined) return;
  const { run, registry, directory } = place;
  const original = makeImage();
  await writeFile(join(directory, "saved.tar"), dockerArchive(original, "app:v1"));
  await run("crane", ["--insecure", "push", "saved.tar", `${registry}/app:v1`]);
  await run("crane", ["--insecure", "pull", `${registry}/app:v1`, "pulled.tar"]);
  await mkdir(join(directory, "pulled"));
  await run("tar", ["-xf", "pulled.tar", "-C", "pulled"]);
  const [saved] = JSON.parse(await readFile(join(directory, "pulled/manifest.json"), "utf8"));
  t.deepEqual(await readFile(join(directory, "pulled", saved.Config)), original.config.bytes);
  await run("crane", ["validate", "--tarball", "pulled.tar"]);
});

test("crane digest and manifest agree with the bytes that were pushed", async (t) => {
  const original = makeImage();
  const place = await withImage(t, [original]);
  if (place === undefined) return;
  const { crane, image, registry, digest } = place;
  t.is(await crane("digest", image), digest);
  t.is(await crane("manifest", `${registry}/app@${digest}`), original.manifest.bytes.toString());
  t.is(await crane("config", image), original.config.bytes.toString());
});

test("crane validate --remote finds every layer in order", async (t) => {
  const place = await withImage(t, [makeImage()]);
  if (place === undefined) return;
  const { attempt, image } = place;
  const { code, stdout, stderr } = await attempt("crane", ["--insecure", "validate", "--remote", image]);
  t.is(code, 0, stderr);
  t.regex(`${stdout}${stderr}`, /^PASS: /m);
});

test("crane copy to another repository mounts the layers instead of sending them", async (t) => {
  const original = makeImage();
  const place = await withImage(t, [original]);
  if (place === undefined) return;
  const { attempt, crane, image, registry, digest } = place;
  const copy = `${registry}/elsewhere/app:v1`;
  const { stderr } = await attempt("crane", ["--insecure", "copy", image, copy]);
  for (const layer of original.layers) t.true(stderr.includes(`mounted blob: ${layer.digest}`), stderr);
  t.false(stderr.includes("pushed blob"), stderr);
  t.is(await crane("digest", copy), digest);
  await crane("validate", "--remote", copy);
});

test("crane append puts a layer on top of an image in the registry", async (t) => {
  const place = await withImage(t, [makeImage()]);
  if (place === undefined) return;
  const { crane, run, image, registry, directory } = place;
  const layer = makeTar([{ name: "srv/more.txt", data: "More." }]);
  await writeFile(join(directory, "more.tar"), layer);
  const bigger = `${registry}/app:v2`;
  await crane("append", "--base", image, "--new_layer", "more.tar", "--new_tag", bigger);
  await crane("export", bigger, "files.tar");
  t.deepEqual((await run("tar", ["-tf", "files.tar"])).trim().split("\n").sort(), [
    "etc/os-release",
    "srv/hello.txt",
    "srv/more.txt",
  ]);
});

test("crane ls lists tags, crane catalog repositories", async (t) => {
  const place = await withImage(t, [makeImage()]);
  if (place === undefined) return;
  const { crane, image, registry } = place;
  await crane("tag", image, "v2");
  await crane("copy", image, `${registry}/team/tool:stable`);
  t.is(await crane("ls", `${registry}/app`), "v1\nv2");
  t.is(await crane("ls", `${registry}/team/tool`), "stable");
  t.is(await crane("catalog", registry), "app\nteam/tool");
});

test("crane reads the image of one platform out of an index", async (t) => {
  const [amd64, arm64] = [makeImage(), makeImage({ architecture: "arm64" })];
  const place = await withImage(t, [amd64, arm64]);
  if (place === undefined) return;
  const { crane, image } = place;
  t.is(await crane("digest", "--platform", "linux/arm64", image), arm64.manifest.digest);
  t.is(await crane("config", "--platform", "linux/amd64", image), amd64.config.bytes.toString());
});

test("crane delete removes an image by its digest", async (t) => {
  const place = await withImage(t, [makeImage()]);
  if (place === undefined) return;
  const { crane, attempt, image, registry, digest } = place;
  await crane("delete", `${registry}/app@${digest}`);
  const { code, stderr } = await attempt("crane", ["--insecure", "manifest", image]);
  t.is(code, 1);
  t.regex(stderr, /MANIFEST_UNKNOWN/);
});
