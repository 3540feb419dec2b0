import test from "ava";
import { startServer } from "../../tools/server.ts";
import { Client, NOWHERE, refused, sha256 } from "./client.ts";

for (const tag of [
  ...[".hidden", "-x", "a".repeat(129), "ä", "a b", "a%2Fb", "%2e%2e%2fx", "a%00", "a%0a", "a~", "@"],
]) {
  test(`no tag is called ${tag.slice(0, 20)}`, async (t) => {
    const client = new Client((await startServer(t, { memory: true })).url);
    const manifest = await client.pushImage("layer");
    for (const answer of [
      await client.putManifest(tag, manifest),
      await client.putManifest(`${sha256(manifest)}?tag=fine&tag=${tag}`, manifest),
      await client.send("GET", `manifests/${tag}`),
      await client.send("DELETE", `manifests/${tag}`),
    ]) {
      const [error] = await refused(t, answer, 400, "MANIFEST_INVALID");
      t.is(error.detail.reason, "TAG_INVALID");
    }
    t.deepEqual(await (await client.send("GET", "tags/list")).json(), { name: "team/app", tags: [] });
  });
}

for (const digest of ["sha256:abc", "md5:abc", `sha256:${"A".repeat(64)}`, "a:b", "sha256%3Ax", ":"]) {
  test(`no manifest has the digest ${digest.slice(0, 20)}`, async (t) => {
    const client = new Client((await startServer(t, { memory: true })).url);
    const manifest = await client.pushImage("layer");
    await refused(t, await client.putManifest(digest, manifest), 400, "DIGEST_INVALID");
    await refused(t, await client.send("GET", `manifests/${digest}`), 400, "DIGEST_INVALID");
  });
}

test("an unknown manifest is 404, by tag and by digest, by GET and by HEAD", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.pushImage("layer", { tag: "v1" });
  for (const reference of ["v2", NOWHERE]) {
    await refused(t, await client.send("GET", `manifests/${reference}`), 404, "MANIFEST_UNKNOWN");
    t.is(await client.status("HEAD", `manifests/${reference}`), 404);
  }
  const elsewhere = new Client(client.url, "team/nowhere");
  await refused(t, await elsewhere.send("GET", "manifests/v1"), 404, "MANIFEST_UNKNOWN");
});
