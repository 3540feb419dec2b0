import { randomBytes } from "node:crypto";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { digestOf, makeImage, writeLayout } from "./image.ts";
import { openWorkplace } from "./workplace.ts";

const SBOM = "application/spdx+json";

async function withRegctl(t: ExecutionContext) {
  const place = await openWorkplace(t, ["regctl"]);
  if (place === undefined) return undefined;
  const host = ["--host", `reg=${place.registry},tls=disabled`];
  const regctl = async (args: readonly string[], input?: Buffer) =>
    (await place.run("regctl", [...host, ...args], input)).trimEnd();
  return { ...place, host, regctl };
}

/** The same, with an image that regctl has copied from the OCI layout `layout` to `app:v1`. */
async function withImage(t: ExecutionContext) {
  const place = await withRegctl(t);
  if (place === undefined) return undefined;
  const image = `${place.registry}/app:v1`;
  const digest = await writeLayout(join(place.directory, "layout"), "v1", [makeImage()]);
  await place.regctl(["image", "copy", "ocidir://layout:v1", image]);
  return { ...place, image, digest };
}

test("regctl copies an image with what refers to it and with its digest tags", async (t) => {
  const place = await withImage(t);
  if (place === undefined) return;
  const { regctl, registry, image, digest } = place;
  const signatureTag = `${digest.replace(":", "-")}.sig`;
  await regctl(["artifact", "put", "--artifact-type", SBOM, "--subject", image], Buffer.from("{}"));
  await regctl(
    ["artifact", "put", "--artifact-type", "application/x-sig", `${registry}/app:${signatureTag}`],
    Buffer.from("s"),
  );
  const copy = `${registry}/mirror/app:v1`;
  await regctl(["image", "copy", "--referrers", "--digest-tags", image, copy]);
  t.is(await regctl(["image", "digest", copy]), digest);
  const referrers = ["artifact", "list", "--format", "{{range .Descriptors}}{{println .Digest}}{{end}}"];
  t.is(await regctl([...referrers, copy]), await regctl([...referrers, image]));
  t.regex(await regctl([...referrers, copy]), /^sha256:[0-9a-f]{64}$/);
  t.deepEqual((await regctl(["tag", "ls", `${registry}/mirror/app`])).split("\n"), [signatureTag, "v1"]);
});

test("regctl tag delete removes the tag and leaves the image", async (t) => {
  const place = await withImage(t);
  if (place === undefined) return;
  const { regctl, registry, image, digest } = place;
  await regctl(["image", "copy", image, `${registry}/app:v2`]);
  t.is(await regctl(["tag", "ls", `${registry}/app`]), "v1\nv2");
  await regctl(["tag", "delete", `${registry}/app:v2`]);
  t.is(await regctl(["tag", "ls", `${registry}/app`]), "v1");
  t.is(await regctl(["image", "digest", image]), digest);
  await regctl(["tag", "delete", image]);
  t.is(await regctl(["manifest", "head", `${registry}/app@${digest}`]), digest);
});

test("regctl artifact list finds artifacts by their subject and type", async (t) => {
  const place = await withImage(t);
  if (place === undefined) return;
  const { regctl, image } = place;
  const sbom = Buffer.from('{"packages":[]}');
  await regctl(["artifact", "put", "--artifact-type", SBOM, "--subject", image], sbom);
  await regctl(["artifact", "put", "--artifact-type", "text/plain", "--subject", image], Buffer.from("hm"));
  const types = ["artifact", "list", "--format", "{{range .Descriptors}}{{println .ArtifactType}}{{end}}"];
  t.deepEqual((await regctl([...types, image])).split("\n").sort(), [SBOM, "text/plain"]);
  t.is(await regctl([...types, "--filter-artifact-type", SBOM, image]), SBOM);
  const got = await regctl(["artifact", "get", "--subject", image, "--filter-artifact-type", SBOM]);
  t.is(got, sbom.toString());
});

test("regctl blob put sends a blob in chunks", async (t) => {
  const place = await withRegctl(t);
  if (place === undefined) return;
  const { attempt, host, registry } = place;
  const bytes = randomBytes(2_500_000);
  const repository = `${registry}/data`;
  const put = await attempt("regctl", [...host, "-v", "trace", "blob", "put", repository], bytes);
  t.is(put.stdout.toString().trim(), digestOf(bytes), put.stderr);
  t.is(put.stderr.match(/req-method=PATCH .*resp-status="202 /g)?.length, 3);
  const got = await attempt("regctl", [...host, "blob", "get", repository, digestOf(bytes)]);
  t.is(digestOf(got.stdout), digestOf(bytes), got.stderr);
});
