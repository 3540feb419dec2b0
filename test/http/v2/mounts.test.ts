import test from "ava";
import { startServer, storedBlobs } from "../../tools/server.ts";
import { Client, IMAGE_CONFIG, NOWHERE, onEachDriver, refused, sha256, sha512 } from "./client.ts";

const mount = (client: Client, digest: string, from?: string) =>
  client.send("POST", `blobs/uploads/?mount=${digest}${from === undefined ? "" : `&from=${from}`}`);

onEachDriver(
  "a blob of another repository is mounted without its bytes",
  async (t, client, { url, data }) => {
    const digest = await new Client(url, "team/base").pushBlob("content");
    const mounted = await mount(client, digest, "team/base");
    t.is(mounted.status, 201);
    t.is(mounted.headers.get("docker-content-digest"), digest);
    t.is(mounted.headers.get("location"), `/v2/team/app/blobs/${digest}`);
    t.is(await (await client.follow("GET", mounted.headers.get("location"))).text(), "content");
    t.true((await storedBlobs(data)).length <= 1);
  },
);

test("a mounted blob outlives the one that it came from", async (t) => {
  const { url } = await startServer(t);
  const [client, base] = [new Client(url), new Client(url, "team/base")];
  const digest = await base.pushBlob("content");
  await mount(client, digest, "team%2Fbase");
  t.is(await base.status("DELETE", `blobs/${digest}`), 202);
  t.is(await (await client.send("GET", `blobs/${digest}`)).text(), "content");
});

onEachDriver(
  "what cannot be mounted can be pushed by the session that was opened",
  async (t, client, { url }) => {
    const digest = await new Client(url, "team/base").pushBlob("content");
    for (const [name, from] of [
      [NOWHERE, "team/base"],
      [digest, "team/nowhere"],
      [sha512("content"), "team/base"],
    ] as const) {
      const opened = await mount(client, name, from);
      t.is(opened.status, 202);
      const put = `${opened.headers.get("location")}?digest=${sha256("x")}`;
      t.is((await client.follow("PUT", put, "x")).status, 201);
    }
    t.is(await client.status("HEAD", `blobs/${digest}`), 404);
  },
);

test("without from, a blob is mounted from wherever it is", async (t) => {
  const { url } = await startServer(t, { memory: true });
  const [client, base] = [new Client(url), new Client(url, "team/base")];
  const digest = await base.pushBlob("content");
  t.is((await mount(client, digest)).status, 201);
  t.is(await client.status("HEAD", `blobs/${digest}`), 200);
  t.is((await mount(client, NOWHERE)).status, 202);
});

test("a blob is mounted from its own repository", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const digest = await client.pushBlob("content");
  t.is((await mount(client, digest, client.name)).status, 201);
  t.is(await (await client.send("GET", `blobs/${digest}`)).text(), "content");
});

test("nonsense in mount or from is refused", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const digest = await client.pushBlob("content");
  await refused(t, await mount(client, "nonsense", "team/base"), 400, "DIGEST_INVALID");
  await refused(t, await mount(client, "", "team/base"), 400, "DIGEST_INVALID");
  for (const from of ["..%2f..", "A", "a%00", "_catalog", "a".repeat(300)]) {
    await refused(t, await mount(client, digest, from), 400, "NAME_INVALID");
  }
});

test("a mounted blob is what a manifest may name", async (t) => {
  const { url } = await startServer(t, { memory: true });
  const [client, base] = [new Client(url), new Client(url, "team/base")];
  const manifest = await base.pushImage("content");
  for (const content of ["content", IMAGE_CONFIG]) await mount(client, sha256(content), base.name);
  t.is((await client.putManifest("latest", manifest)).status, 201);
});
