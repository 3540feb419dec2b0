import test from "ava";
import { startServer } from "../../tools/server.ts";
import {
  Client,
  IMAGE_CONFIG,
  INDEX,
  imageOf,
  indexOf,
  NOWHERE,
  onEachDriver,
  refused,
  sha256,
} from "./client.ts";

onEachDriver("a deleted tag is gone, and its manifest stays", async (t, client) => {
  const manifest = await client.pushImage("layer", { tag: "v1" });
  t.is(await client.status("DELETE", "manifests/v1"), 202);
  await refused(t, await client.send("GET", "manifests/v1"), 404, "MANIFEST_UNKNOWN");
  t.is(await client.status("GET", `manifests/${sha256(manifest)}`), 200);
  t.is(await client.status("DELETE", "manifests/v1"), 404);
});

onEachDriver("a deleted manifest is gone with all its tags", async (t, client) => {
  const manifest = await client.pushImage("layer", { tag: "v1" });
  await client.putManifest("v2", manifest);
  t.is(await client.status("DELETE", `manifests/${sha256(manifest)}`), 202);
  for (const reference of ["v1", "v2", sha256(manifest)]) {
    t.is(await client.status("GET", `manifests/${reference}`), 404);
  }
  t.deepEqual(await (await client.send("GET", "tags/list")).json(), { name: "team/app", tags: [] });
});

onEachDriver("a deleted manifest may be pushed again", async (t, client) => {
  const manifest = await client.pushImage("layer", { tag: "v1" });
  await client.status("DELETE", `manifests/${sha256(manifest)}`);
  t.is((await client.putManifest("v1", manifest)).status, 201);
  t.is(await (await client.send("GET", "manifests/v1")).text(), manifest);
});

onEachDriver("a blob is deleted once no manifest needs it", async (t, client) => {
  const manifest = await client.pushImage("layer");
  const answer = await client.send("DELETE", `blobs/${sha256("layer")}`);
  t.is(answer.headers.get("allow"), "GET, HEAD");
  const [error] = await refused(t, answer, 405, "UNSUPPORTED");
  t.deepEqual(error.detail, { reason: "BLOB_IN_USE", manifests: [sha256(manifest)] });
  await client.status("DELETE", `manifests/${sha256(manifest)}`);
  t.is(await client.status("DELETE", `blobs/${sha256("layer")}`), 202);
  t.is(await client.status("GET", `blobs/${sha256("layer")}`), 404);
  t.is(await client.status("HEAD", `blobs/${sha256("layer")}`), 404);
});

onEachDriver("a deleted blob may be pushed again, in every way", async (t, client) => {
  const digest = await client.pushBlob("content");
  const uploads = [
    () => client.pushBlob("content"),
    async () => client.follow("PUT", `${await client.open()}?digest=${digest}`, "content"),
    () => client.send("POST", `blobs/uploads/?mount=${digest}`),
  ];
  for (const upload of uploads) {
    t.is(await client.status("DELETE", `blobs/${digest}`), 202);
    t.is(await client.status("GET", `blobs/${digest}`), 404);
    await upload();
    t.is(await (await client.send("GET", `blobs/${digest}`)).text(), "content");
  }
});

test("deleting what is not there is 404", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  for (const known of [false, true]) {
    if (known) await client.pushImage("layer");
    await refused(t, await client.send("DELETE", `blobs/${NOWHERE}`), 404, "BLOB_UNKNOWN");
    await refused(t, await client.send("DELETE", `manifests/${NOWHERE}`), 404, "MANIFEST_UNKNOWN");
    await refused(t, await client.send("DELETE", "manifests/nothing"), 404, "MANIFEST_UNKNOWN");
  }
});

test("deleting in one repository leaves the others alone", async (t) => {
  const { url } = await startServer(t);
  const [one, two] = [new Client(url, "one"), new Client(url, "two")];
  const manifest = await one.pushImage("layer", { tag: "v1" });
  await two.pushImage("layer", { tag: "v1" });
  await one.status("DELETE", `manifests/${sha256(manifest)}`);
  await one.status("DELETE", `blobs/${sha256("layer")}`);
  t.is(await two.status("GET", "manifests/v1"), 200);
  t.is(await two.status("GET", `blobs/${sha256("layer")}`), 200);
});

test("deleting a manifest does not touch the indexes that name it", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const image = await client.pushImage("layer");
  const index = indexOf([image]);
  await client.putManifest("all", index, { "Content-Type": INDEX });
  t.is(await client.status("DELETE", `manifests/${sha256(image)}`), 202);
  t.is(await client.status("GET", "manifests/all"), 200);
});

test("of a blob deleted while a manifest that names it arrives, the manifest never dangles", async (t) => {
  const client = new Client((await startServer(t)).url);
  for (const blob of [IMAGE_CONFIG, "layer"]) await client.pushBlob(blob);
  for (let round = 0; round < 20; round += 1) {
    const [put, remove] = await Promise.all([
      client.putManifest("v1", imageOf("layer")),
      client.send("DELETE", `blobs/${sha256("layer")}`),
    ]);
    const outcome = [put.status, remove.status];
    t.true(outcome.join() === "201,405" || outcome.join() === "400,202", outcome.join());
    if (put.status === 201) await client.status("DELETE", `manifests/${sha256(imageOf("layer"))}`);
    else await client.pushBlob("layer");
  }
});
