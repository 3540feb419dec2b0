import test from "ava";
import { json } from "../../tools/json.ts";
import { startServer } from "../../tools/server.ts";
import {
  allPages,
  Client,
  CONFIG,
  describe,
  IMAGE_CONFIG,
  INDEX,
  imageOf,
  indexOf,
  MANIFEST,
  NOWHERE,
  onEachDriver,
  refused,
  sha256,
  sha512,
} from "./client.ts";

const SUBJECT = imageOf("subject");
const subject = describe(MANIFEST, SUBJECT);

async function list(client: Client, query = "", digest = sha256(SUBJECT)) {
  const answer = await client.send("GET", `referrers/${digest}${query}`);
  return { answer, manifests: (await json(answer)).manifests };
}

onEachDriver(
  "what refers to a manifest is listed, before and after the manifest is pushed",
  async (t, client) => {
    const artifactType = "application/vnd.example.sbom";
    const more = { subject, artifactType, annotations: { a: "1" } };
    const sbom = await client.pushImage("sbom", { more });
    const expected = [{ ...describe(MANIFEST, sbom), artifactType, annotations: { a: "1" } }];
    t.deepEqual((await list(client)).manifests, expected);
    await client.pushImage("subject");
    const { answer, manifests } = await list(client);
    t.is(answer.status, 200);
    t.is(answer.headers.get("content-type"), INDEX);
    t.deepEqual(manifests, expected);
  },
);

test("the answer is an image index", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  t.deepEqual(await (await client.send("GET", `referrers/${NOWHERE}`)).json(), {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [],
  });
});

test("without an artifactType, an image is of its config's type, and an index of none", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const image = await client.pushImage("a", { more: { subject, artifactType: "" } });
  const index = indexOf([], { subject });
  const put = await client.putManifest(sha256(index), index, { "Content-Type": INDEX });
  t.is(put.headers.get("oci-subject"), subject.digest);
  t.deepEqual((await list(client)).manifests, [
    { ...describe(MANIFEST, image), artifactType: CONFIG },
    describe(INDEX, index),
  ]);
});

onEachDriver("a filter is applied, and said to be", async (t, client) => {
  for (const kind of ["sbom", "signature"]) {
    await client.pushImage(kind, { more: { subject, artifactType: `application/vnd.example.${kind}+x` } });
  }
  const type = "application/vnd.example.sbom+x";
  const { answer, manifests } = await list(client, `?artifactType=${encodeURIComponent(type)}`);
  t.is(answer.headers.get("oci-filters-applied"), "artifactType");
  t.deepEqual(
    manifests.map((one: { artifactType: string }) => one.artifactType),
    [type],
  );
  t.is((await list(client)).answer.headers.get("oci-filters-applied"), null);
  t.deepEqual((await list(client, "?artifactType=a/b")).manifests, []);
});

test("a filter that is empty filters nothing", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushImage("a", { more: { subject } });
  const { answer, manifests } = await list(client, "?artifactType=");
  t.is(answer.headers.get("oci-filters-applied"), null);
  t.is(manifests.length, 1);
});

test("a subject may be named by its sha512", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushImage("a", { more: { subject: { ...subject, digest: sha512(SUBJECT) } } });
  t.is((await list(client, "", sha512(SUBJECT))).manifests.length, 1);
  t.is((await list(client)).manifests.length, 0);
});

test("what is no digest is 400", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  for (const digest of ["latest", "sha256:abc", "md5:abc", "%00"]) {
    await refused(t, await client.send("GET", `referrers/${digest}`), 400, "DIGEST_INVALID");
  }
});

test("an unknown repository has no referrers, and is no 404", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  t.is((await list(client)).answer.status, 200);
});

test("referrers of another repository are not listed", async (t) => {
  const { url } = await startServer(t, { memory: true });
  await new Client(url, "team/other").pushImage("a", { more: { subject } });
  t.deepEqual((await list(new Client(url))).manifests, []);
});

onEachDriver("a deleted referrer is listed no more", async (t, client) => {
  const manifest = await client.pushImage("a", { more: { subject } });
  await client.send("DELETE", `manifests/${sha256(manifest)}`);
  t.deepEqual((await list(client)).manifests, []);
});

test("HEAD has the headers of GET", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushImage("a", { more: { subject } });
  const path = `referrers/${subject.digest}?artifactType=${CONFIG}`;
  const [head, got] = [await client.send("HEAD", path), await client.send("GET", path)];
  for (const name of ["content-type", "content-length", "oci-filters-applied"]) {
    t.is(head.headers.get(name), got.headers.get(name));
  }
});

onEachDriver("megabytes of annotations are listed, page by page, none above 4 MiB", async (t, client) => {
  const digests: string[] = [];
  for (const key of ["a", "b", "c"]) {
    const annotations = { [key]: key.repeat(3_900_000) };
    digests.push(sha256(await client.pushImage(key, { more: { subject, annotations } })));
  }
  const pages = await allPages(client, `/v2/team/app/referrers/${subject.digest}?artifactType=${CONFIG}`);
  t.is(pages.length, 3);
  const listed: { digest: string; annotations: Record<string, string> }[] = [];
  for (const page of pages) {
    t.is(page.headers.get("oci-filters-applied"), "artifactType");
    t.true(Number(page.headers.get("content-length")) <= 4 * 1024 * 1024);
    listed.push(...(await json(page)).manifests);
  }
  t.deepEqual(
    listed.map((one) => one.digest),
    digests,
  );
  t.is(listed[1]?.annotations.b?.length, 3_900_000);
});

test("more than a thousand referrers come on several pages, each once", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  for (const blob of [IMAGE_CONFIG, "layer"]) await client.pushBlob(blob);
  const images = Array.from({ length: 1100 }, (_, at) =>
    imageOf("layer", { subject, annotations: { at: String(at) } }),
  );
  for (let at = 0; at < images.length; at += 50) {
    const some = images.slice(at, at + 50);
    await Promise.all(some.map((image) => client.putManifest(sha256(image), image)));
  }
  const pages = await allPages(client, `/v2/team/app/referrers/${subject.digest}`);
  t.is(pages.length, 2);
  const digests = (await Promise.all(pages.map(json))).flatMap((page) =>
    page.manifests.map((one: { digest: string }) => one.digest),
  );
  t.deepEqual(digests.toSorted(), images.map(sha256).toSorted());
});

test("a page that begins at nonsense begins at the beginning", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushImage("a", { more: { subject } });
  for (const last of ["x", "-5", "1e400", ""])
    t.is((await list(client, `?last=${last}`)).manifests.length, 1);
});
