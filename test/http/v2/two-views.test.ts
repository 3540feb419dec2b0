import { json } from "../../tools/json.ts";
import { makeTar } from "../../tools/tar.ts";
import { Client, IMAGE_CONFIG, MANIFEST, onEachDriver, sha256 } from "./client.ts";

onEachDriver("what is posted at /manifest is pulled from /v2/library", async (t, _client, { url }) => {
  const tar = makeTar([{ name: "a.txt", data: "a" }]);
  const layer = await json(await fetch(`${url}/layer`, { method: "POST", body: tar }));
  const body = JSON.stringify({ layers: [layer.id], tag: "v1" });
  const headers = { "Content-Type": "application/json" };
  const posted = await json(await fetch(`${url}/manifest`, { method: "POST", body, headers }));
  const client = new Client(url, "library");
  const pulled = await client.send("GET", "manifests/v1");
  t.is(pulled.headers.get("docker-content-digest"), posted.id);
  t.is(pulled.headers.get("content-type"), MANIFEST);
  const manifest = await json(pulled);
  for (const { digest, size } of [manifest.config, ...manifest.layers]) {
    const blob = await client.send("GET", `blobs/${digest}`);
    t.is(sha256(Buffer.from(await blob.arrayBuffer())), digest);
    t.is(blob.headers.get("content-length"), String(size));
  }
  t.deepEqual(await (await client.send("GET", "tags/list")).json(), { name: "library", tags: ["v1"] });
});

onEachDriver("what is pushed to /v2/library is read at /manifest and /layer", async (t, _client, { url }) => {
  const client = new Client(url, "library");
  const manifest = await client.pushImage("layer", { tag: "v1" });
  for (const id of ["v1", sha256(manifest), sha256(manifest).slice("sha256:".length)]) {
    const got = await fetch(`${url}/manifest/${id}`);
    t.is(got.headers.get("content-type"), MANIFEST);
    t.is(await got.text(), manifest);
  }
  t.is(await (await fetch(`${url}/layer/${sha256("layer")}`)).text(), "layer");
  const { manifests } = await json(await fetch(`${url}/manifest`));
  t.deepEqual(manifests[0].tags, ["v1"]);
});

onEachDriver(
  "a layer that was posted may be named by a manifest that is pushed",
  async (t, _client, { url }) => {
    for (const body of ["layer", IMAGE_CONFIG]) await fetch(`${url}/layer`, { method: "POST", body });
    await t.notThrowsAsync(new Client(url, "library").pushImage("layer", { tag: "v1" }));
  },
);

onEachDriver("other repositories do not show at /manifest and /layer", async (t, client, { url }) => {
  const manifest = await client.pushImage("layer", { tag: "v1" });
  t.is((await fetch(`${url}/manifest/v1`)).status, 404);
  t.is((await fetch(`${url}/manifest/${sha256(manifest)}`)).status, 404);
  t.is((await fetch(`${url}/layer/${sha256("layer")}`)).status, 404);
});

onEachDriver("a blob that a manifest needs is not deleted by the other door", async (t, _client, { url }) => {
  const client = new Client(url, "library");
  const manifest = await client.pushImage("layer", { tag: "v1" });
  t.is((await fetch(`${url}/layer/${sha256("layer")}`, { method: "DELETE" })).status, 409);
  t.is((await fetch(`${url}/manifest/v1`, { method: "DELETE" })).status, 204);
  t.is(await client.status("HEAD", `manifests/${sha256(manifest)}`), 404);
  t.is(await client.status("DELETE", `blobs/${sha256("layer")}`), 202);
});
