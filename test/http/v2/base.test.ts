import test from "ava";
import { sendRaw } from "../../tools/raw.ts";
import { startServer } from "../../tools/server.ts";
import { Client, refused } from "./client.ts";

test("GET /v2/ says that this is a registry, with or without the slash", async (t) => {
  const { url } = await startServer(t, { memory: true });
  for (const path of ["/v2/", "/v2"]) {
    const answer = await fetch(url + path);
    t.is(answer.status, 200);
    t.is(answer.headers.get("docker-distribution-api-version"), "registry/2.0");
    t.deepEqual(await answer.json(), {});
  }
});

test("what only begins like /v2 is another address", async (t) => {
  const { url } = await startServer(t, { memory: true });
  t.is((await fetch(`${url}/v2x`)).status, 404);
  t.is((await fetch(`${url}/v20/`)).status, 404);
});

for (const path of [
  "/v2/x",
  "/v2/team/app/tags",
  "/v2/team/app/tags/list/",
  "/v2/team/app/layers/1",
  "/v2/_x",
]) {
  test(`${path} is no address of the API, and says so in its words`, async (t) => {
    const { url } = await startServer(t, { memory: true });
    const [error] = await refused(t, await fetch(url + path), 404, "UNSUPPORTED");
    t.is(error.detail.reason, "NOT_FOUND");
  });
}

for (const [method, path, allow] of [
  ["POST", "/v2/", "GET, HEAD"],
  ["DELETE", "/v2/_catalog", "GET, HEAD"],
  ["PUT", "/v2/a/tags/list", "GET, HEAD"],
  ["POST", `/v2/a/blobs/sha256:${"0".repeat(64)}`, "GET, HEAD, DELETE"],
  ["HEAD", "/v2/a/blobs/uploads/", "POST"],
  ["GET", "/v2/a/blobs/uploads/", "POST"],
  ["OPTIONS", "/v2/a/blobs/uploads/00000000-0000-0000-0000-000000000000", "GET, PATCH, PUT, DELETE"],
  ["PATCH", "/v2/a/manifests/latest", "GET, HEAD, PUT, DELETE"],
  ["DELETE", `/v2/a/referrers/sha256:${"0".repeat(64)}`, "GET, HEAD"],
] as const) {
  test(`${method} ${path.slice(0, 30)} is 405, and Allow names what there is`, async (t) => {
    const { url } = await startServer(t, { memory: true });
    const answer = await fetch(url + path, { method });
    t.is(answer.status, 405);
    t.is(answer.headers.get("allow"), allow);
    if (method !== "HEAD") await refused(t, answer, 405, "UNSUPPORTED");
  });
}

for (const name of [
  ...["A", "a_", "a..b", "a___b", "-a", "a/", "/a", "a//b", "a b", "ä", "a:b"],
  ...["a%2Fb", "a%00b", "..", "a/../b", "%2e%2e", "_catalog", "a".repeat(256)],
]) {
  test(`no repository is called ${name.slice(0, 20)}`, async (t) => {
    const { url, port } = await startServer(t, { memory: true });
    // As it is: fetch would resolve dots.
    const raw = await sendRaw(
      port,
      `GET /v2/${encodeURI(name).replaceAll("%25", "%")}/tags/list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    t.regex(raw, /^HTTP\/1.1 400 /);
    t.regex(raw, /"NAME_INVALID"/);
    t.is((await fetch(`${url}/healthz`)).status, 200);
  });
}

test("repositories may be called like parts of addresses", async (t) => {
  const { url } = await startServer(t, { memory: true });
  const names = [
    ...["a/blobs/uploads/b", "manifests/manifests", "blobs", "uploads", "a/tags/list", "referrers/a"],
    ...["a/blobs/uploads", "v2", "a-b/c.d/e__f/g_h/0", "a".repeat(255)],
  ];
  for (const name of names) {
    const client = new Client(url, name);
    const manifest = await client.pushImage(name, { tag: "list" });
    t.is(await (await client.send("GET", "manifests/list")).text(), manifest);
    t.deepEqual(await (await client.send("GET", "tags/list")).json(), { name, tags: ["list"] });
    t.is((await client.follow("PUT", await client.open("?x="), "y")).status, 400);
  }
  t.deepEqual(await (await fetch(`${url}/v2/_catalog`)).json(), { repositories: names.toSorted() });
});
