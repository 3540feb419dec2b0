import test from "ava";
import { startServer } from "../../tools/server.ts";
import { Client, NOWHERE, onEachDriver, refused, sha256 } from "./client.ts";

const etag = (manifest: string) => `"${sha256(manifest)}"`;

onEachDriver("If-None-Match: * sets a tag that is new, and moves none", async (t, client) => {
  const [one, two] = [await client.pushImage("1"), await client.pushImage("2")];
  const fresh = { "If-None-Match": "*" };
  const first = await client.putManifest("v1", one, fresh);
  t.is(first.status, 201);
  t.is(first.headers.get("etag"), etag(one));
  const second = await client.putManifest("v1", two, fresh);
  t.is(second.headers.get("etag"), etag(one));
  const [error] = await refused(t, second, 412, "UNSUPPORTED");
  t.is(error.detail.reason, "PRECONDITION_FAILED");
  t.is(await (await client.send("GET", "manifests/v1")).text(), one);
});

onEachDriver("If-Match moves a tag that is where the client believes", async (t, client) => {
  const [one, two] = [await client.pushImage("1", { tag: "v" }), await client.pushImage("2")];
  for (const field of [etag(two), `"${NOWHERE}"`, `W/${etag(one)}`, "nonsense"]) {
    t.is((await client.putManifest("v", two, { "If-Match": field })).status, 412, field);
  }
  t.is((await client.putManifest("v", two, { "If-Match": `"x", ${etag(one)}` })).status, 201);
  t.is(await (await client.send("GET", "manifests/v")).text(), two);
  t.is((await client.putManifest("v", one, { "If-Match": "*" })).status, 201);
});

test("If-Match on a tag that is not there is 412, and sets none", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const one = await client.pushImage("1");
  for (const field of ["*", etag(one)]) {
    t.is((await client.putManifest("v", one, { "If-Match": field })).status, 412);
  }
  t.is(await client.status("HEAD", "manifests/v"), 404);
});

onEachDriver("a tag is deleted where the client believes it to be", async (t, client) => {
  const [one, two] = [await client.pushImage("1", { tag: "v" }), await client.pushImage("2")];
  const remove = (headers: object) => client.send("DELETE", "manifests/v", undefined, headers);
  t.is((await remove({ "If-Match": etag(two) })).status, 412);
  t.is((await remove({ "If-None-Match": etag(one) })).status, 412);
  t.is((await remove({ "If-Match": etag(one) })).status, 202);
  t.is(await client.status("HEAD", "manifests/v"), 404);
});

test("a manifest is pushed by its digest only if it is new, where the client wants that", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const one = await client.pushImage("1");
  const put = (headers: object) => client.putManifest(sha256(one), one, headers);
  t.is((await put({ "If-None-Match": "*" })).status, 412);
  t.is((await put({ "If-Match": etag(one) })).status, 201);
  await client.status("DELETE", `manifests/${sha256(one)}`);
  t.is((await put({ "If-Match": "*" })).status, 412);
  t.is((await put({ "If-None-Match": "*" })).status, 201);
});

onEachDriver("of many who set a new tag at once, exactly one wins", async (t, client) => {
  const images: string[] = [];
  for (const content of "abcdefgh") images.push(await client.pushImage(content));
  for (let round = 0; round < 5; round += 1) {
    const put = (image: string) => client.putManifest(`v${round}`, image, { "If-None-Match": "*" });
    const answers = await Promise.all(images.map(put));
    t.deepEqual(answers.map(({ status }) => status).toSorted(), [201, ...Array(7).fill(412)]);
    const winner = images[answers.findIndex(({ status }) => status === 201)] ?? "";
    t.is(await (await client.send("GET", `manifests/v${round}`)).text(), winner);
  }
});

onEachDriver("of many who move a tag from the same place, exactly one wins", async (t, client) => {
  const base = await client.pushImage("base", { tag: "v" });
  const images: string[] = [];
  for (const content of "abcdefgh") images.push(await client.pushImage(content));
  const put = (image: string) => client.putManifest("v", image, { "If-Match": etag(base) });
  const answers = await Promise.all(images.map(put));
  t.deepEqual(answers.map(({ status }) => status).toSorted(), [201, ...Array(7).fill(412)]);
});
