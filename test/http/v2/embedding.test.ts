import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import Koa from "koa";
import mount from "koa-mount";
import { type AccessRequest, createLayerd } from "../../../src/index.ts";
import { json } from "../../tools/json.ts";
import { startServer } from "../../tools/server.ts";
import { allPages, Client, NOWHERE, refused, sha256 } from "./client.ts";

async function serveMounted(t: ExecutionContext, prefix: string): Promise<string> {
  const layerd = await createLayerd({ memory: true });
  const app = new Koa();
  app.use(mount(prefix, layerd.middleware));
  const server = createServer(app.callback());
  layerd.configureServer(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(async () => {
    await layerd.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("mounted under a path, every Location and Link leads back to where it was mounted", async (t) => {
  const url = await serveMounted(t, "/store/one");
  const client = new Client(url, "a");
  const send = (method: string, path: string, body?: string) =>
    client.follow(method, `/store/one/v2/a/${path}`, body);
  const location = (await send("POST", "blobs/uploads/")).headers.get("location");
  t.regex(location ?? "", /^\/store\/one\/v2\/a\/blobs\/uploads\//);
  const patched = await client.follow("PATCH", location, "con");
  t.is(patched.headers.get("location"), location);
  t.is((await client.follow("GET", location)).headers.get("location"), location);
  const put = await client.follow("PUT", `${location}?digest=${sha256("content")}`, "tent");
  t.is(await (await client.follow("GET", put.headers.get("location"))).text(), "content");
  await client.follow("POST", `/store/one/v2/b/blobs/uploads/?mount=${sha256("content")}&from=a`);
  const pages = await allPages(client, "/store/one/v2/_catalog?n=1");
  t.deepEqual(
    (await Promise.all(pages.map(json))).flatMap((page) => page.repositories),
    ["a", "b"],
  );
});

/** A server whose users are named by a header, and which records what its authorize hook is asked. */
async function serveUsers(t: ExecutionContext, may: (request: AccessRequest) => boolean = () => true) {
  const asked: AccessRequest[] = [];
  const { url, layerd } = await startServer(
    t,
    { memory: true },
    {
      authorize: (request) => {
        asked.push(request);
        return may(request);
      },
      identify: (ctx) => ctx.get("X-User") || undefined,
    },
  );
  const as = (who: string, name = "team/app") => new Client(url, name, { "X-User": who });
  return { asked, as, layerd };
}

const summary = (asked: readonly AccessRequest[]) =>
  asked.map(({ who, action, repository, tag, digest }) => ({ who, action, repository, tag, digest }));

test("the authorize hook sees who wants what, where", async (t) => {
  const { asked, as } = await serveUsers(t);
  const ann = as("ann");
  const about = { who: "ann", repository: "team/app", tag: undefined, digest: undefined };
  const digest = sha256("content") as AccessRequest["digest"];
  for (const [run, ...expected] of [
    [() => ann.open(), { action: "push" }],
    [() => ann.send("GET", `blobs/${digest}`), { action: "pull", digest }],
    [() => ann.send("HEAD", "manifests/v1"), { action: "pull", tag: "v1" }],
    [() => ann.send("GET", `referrers/${digest}`), { action: "pull", digest }],
    [() => ann.send("GET", "tags/list"), { action: "list" }],
    [() => ann.send("DELETE", "manifests/v1"), { action: "delete", tag: "v1" }],
    [() => ann.send("DELETE", `manifests/${digest}`), { action: "delete", digest }],
    [() => ann.send("DELETE", `blobs/${digest}`), { action: "delete", digest }],
    [() => ann.putManifest("v1?tag=v2", "{}"), { action: "push", tag: "v1" }, { action: "push", tag: "v2" }],
  ] as const) {
    asked.length = 0;
    await run();
    const seen = summary(asked).filter(
      (one, at, all) => all.findIndex((other) => JSON.stringify(other) === JSON.stringify(one)) === at,
    );
    t.deepEqual(seen, expected.map((one) => ({ ...about, ...one })) as typeof seen);
  }
});

test("a refusal is 403 and DENIED, before anything is told", async (t) => {
  const { as } = await serveUsers(t, ({ who }) => who === "ann");
  await as("ann").pushImage("layer", { tag: "v1" });
  const bob = as("bob");
  for (const answer of [
    await bob.send("GET", "manifests/v1"),
    await bob.send("GET", "manifests/none"),
    await bob.send("GET", `blobs/${sha256("layer")}`),
    await bob.send("GET", `blobs/${NOWHERE}`),
    await bob.send("GET", "tags/list"),
    await bob.send("GET", `referrers/${NOWHERE}`),
    await bob.send("POST", "blobs/uploads/"),
    await bob.send("POST", `blobs/uploads/?digest=${sha256("x")}`, "x"),
    await bob.putManifest("v2", "{}"),
    await bob.send("DELETE", "manifests/v1"),
    await bob.send("DELETE", `blobs/${sha256("layer")}`),
  ]) {
    await refused(t, answer, 403, "DENIED");
  }
  t.deepEqual(await (await bob.follow("GET", "/v2/_catalog")).json(), { repositories: [] });
  t.is((await bob.follow("GET", "/v2/")).status, 200);
});

test("who may push one tag may not push another by a parameter", async (t) => {
  const { as } = await serveUsers(t, ({ action, tag }) => action !== "push" || tag !== "release");
  const ann = as("ann");
  const manifest = await ann.pushImage("layer");
  await refused(t, await ann.putManifest(`${sha256(manifest)}?tag=a&tag=release`, manifest), 403, "DENIED");
  t.deepEqual(await (await ann.send("GET", "tags/list")).json(), { name: "team/app", tags: [] });
});

test("a blob is mounted only from where the caller may pull it", async (t) => {
  const { as } = await serveUsers(
    t,
    ({ who, repository, action }) => who === "ann" || repository !== "secret" || action === "push",
  );
  const digest = await as("ann", "secret").pushBlob("content");
  const bob = as("bob");
  for (const query of [`?mount=${digest}&from=secret`, `?mount=${digest}`, `?mount=${digest}&from=`]) {
    t.is((await bob.send("POST", `blobs/uploads/${query}`)).status, 202, query);
    t.is(await bob.status("HEAD", `blobs/${digest}`), 404);
  }
  const ann = as("ann");
  t.is((await ann.send("POST", `blobs/uploads/?mount=${digest}`)).status, 202);
  t.is((await ann.send("POST", `blobs/uploads/?mount=${digest}&from=secret`)).status, 201);
});

for (const sent of ["", "begun"]) {
  test(`a session belongs to who opened it, in its repository (${sent.length} bytes sent)`, async (t) => {
    const { as } = await serveUsers(t);
    const ann = as("ann");
    const location = await ann.open();
    if (sent !== "") await ann.follow("PATCH", location, sent);
    for (const [client, where] of [
      [as("bob"), location],
      [ann, location.replace("team/app", "team/other")],
    ] as const) {
      for (const answer of [
        await client.follow("GET", where),
        await client.follow("PATCH", where, "x"),
        await client.follow("PUT", `${where}?digest=${sha256(`${sent}x`)}`, "x"),
        await client.follow("DELETE", where),
      ]) {
        await refused(t, answer, 404, "BLOB_UPLOAD_UNKNOWN");
      }
    }
    t.is((await ann.follow("PUT", `${location}?digest=${sha256(`${sent}x`)}`, "x")).status, 201);
  });
}

test("answers that depend on who asks are for nobody else to keep", async (t) => {
  const { as } = await serveUsers(t);
  const ann = as("ann");
  await ann.pushImage("layer", { tag: "v1" });
  for (const path of ["manifests/v1", `blobs/${sha256("layer")}`]) {
    t.regex((await ann.send("GET", path)).headers.get("cache-control") ?? "", /^private/);
  }
});
