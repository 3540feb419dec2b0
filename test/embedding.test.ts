import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import Koa from "koa";
import mount from "koa-mount";
import { type AccessRequest, createLayerd, type Layerd } from "../src/index.ts";
import { json } from "./tools/json.ts";
import { temporaryDirectory } from "./tools/server.ts";

async function serve(t: ExecutionContext, layerd: Layerd, app: Koa): Promise<string> {
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

test("mounted under a path, every link leads back to where it was mounted", async (t) => {
  const layerd = await createLayerd({ memory: true });
  const app = new Koa();
  app.use(mount("/store/one", layerd.middleware));
  const url = await serve(t, layerd, app);
  const posted = await fetch(`${url}/store/one/layer`, { method: "POST", body: "x" });
  const location = posted.headers.get("location") ?? "";
  t.regex(location, /^\/store\/one\/layer\/sha256:/);
  t.is(await (await fetch(`${url}${location}`)).text(), "x");
  await fetch(`${url}/store/one/layer`, { method: "POST", body: "y" });
  const list = await json(await fetch(`${url}/store/one/layer?n=1`));
  t.regex(list.next, /^\/store\/one\/layer\?/);
  t.is((await fetch(`${url}${list.next}`)).status, 200);
  const upload = await fetch(`${url}/store/one/layer`, {
    method: "POST",
    body: "ab",
    headers: { "Upload-Complete": "?0" },
  });
  t.is((await fetch(`${url}${upload.headers.get("location")}`, { method: "HEAD" })).status, 204);
  t.is((await fetch(`${url}/store/one`)).status, 200);
  const api = await json(await fetch(`${url}/store/one/openapi.json`));
  t.deepEqual(api.servers, [{ url: "/store/one" }]);
});

test("a prefix that a trusted proxy has stripped is in the links; a stranger's is not", async (t) => {
  for (const trustProxy of [true, false]) {
    const layerd = await createLayerd({ memory: true, trustProxy });
    const app = new Koa();
    app.use(layerd.middleware);
    const url = await serve(t, layerd, app);
    const post = async (prefix: string) => {
      const headers = { "X-Forwarded-Prefix": prefix };
      return (
        (await fetch(`${url}/layer`, { method: "POST", body: "x", headers })).headers.get("location") ?? ""
      );
    };
    t.is((await post("/registry/")).startsWith("/registry/layer/sha256:"), trustProxy);
    t.true((await post("//evil.example.com")).startsWith("/layer/"));
  }
});

test("paths that are not layerd's go on to the host application", async (t) => {
  const layerd = await createLayerd({ memory: true });
  const app = new Koa();
  app.use(layerd.middleware);
  app.use((ctx) => {
    ctx.body = "the host's own page";
  });
  const url = await serve(t, layerd, app);
  t.is(await (await fetch(`${url}/shop`)).text(), "the host's own page");
  t.is(await (await fetch(`${url}/layers`)).text(), "the host's own page");
  t.is((await fetch(`${url}/layer`)).headers.get("content-type"), "application/json");
});

test("the authorize hook sees who wants what, and its no is a 403 that stores nothing", async (t) => {
  const asked: AccessRequest[] = [];
  const layerd = await createLayerd(
    { memory: true },
    {
      authorize: (request) => {
        asked.push(request);
        return request.action === "pull" || request.who === "ann";
      },
    },
  );
  const app = new Koa();
  app.use((ctx, next) => {
    ctx.state.user = { name: ctx.get("X-User"), team: "blue" };
    return next();
  });
  app.use(layerd.middleware);
  const url = await serve(t, layerd, app);
  const post = (user: string) =>
    fetch(`${url}/layer`, { method: "POST", body: "x", headers: { "X-User": user } });
  const refused = await post("bob");
  t.is(refused.status, 403);
  t.is((await json(refused)).errors[0].code, "DENIED");
  const posted = await post("ann");
  t.is(posted.status, 201);
  const got = await fetch(`${url}${posted.headers.get("location")}`, { headers: { "X-User": "bob" } });
  t.is(got.status, 200);
  t.regex(got.headers.get("cache-control") ?? "", /^private/);
  t.like(asked[0], {
    who: "bob",
    action: "push",
    repository: "library",
    user: { name: "bob", team: "blue" },
  });
  t.is(asked[2]?.digest, (await json(posted)).digest);
});

test("two stores live in one process without meeting", async (t) => {
  const layerds = await Promise.all(["one", "two"].map(() => createLayerd({ memory: true })));
  const app = new Koa();
  const [one, two] = layerds;
  if (one === undefined || two === undefined) return t.fail();
  app.use(mount("/one", one.middleware));
  app.use(mount("/two", two.middleware));
  const url = await serve(t, one, app);
  t.teardown(() => two.close());
  const posted = await fetch(`${url}/one/layer`, { method: "POST", body: "x" });
  const { id } = await json(posted);
  t.is((await fetch(`${url}/two/layer/${id}`)).status, 404);
});

test("two stores do not share one data directory", async (t) => {
  const data = await temporaryDirectory(t);
  const first = await createLayerd({ data });
  await t.throwsAsync(createLayerd({ data }), { message: /in use|held|locked/i });
  await first.close();
  const second = await createLayerd({ data });
  await second.close();
});

test("an unknown setting is refused with the nearest name there is", async (t) => {
  await t.throwsAsync(createLayerd({ memmory: true } as object), { message: /memory/ });
});
