import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import Koa from "koa";
import { requestListener } from "../../src/cli/http-server.ts";

/** Serves one middleware; resolves with the address, and the list of what the app is told of. */
async function serve(t: ExecutionContext, middleware: Koa.Middleware) {
  const app = new Koa();
  const told: unknown[] = [];
  app.on("error", (error: unknown) => told.push(error));
  const server = createServer(requestListener(app, middleware)).listen(0, "127.0.0.1");
  t.teardown(() => server.close());
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, told };
}

const fault = new Error("a fault");

for (const [how, middleware] of [
  [
    "at once",
    () => {
      throw fault;
    },
  ],
  ["later", () => Promise.reject(fault)],
] as const) {
  test(`a middleware that fails ${how} is 500 without detail, and the app is told`, async (t) => {
    const { url, told } = await serve(t, middleware);
    const answer = await fetch(url);
    t.is(answer.status, 500);
    t.is(await answer.text(), "Internal Server Error");
    t.deepEqual(told, [fault]);
  });
}

test("a middleware answers with the context that Koa makes", async (t) => {
  const { url, told } = await serve(t, (ctx) => {
    ctx.res.end(`${ctx.method} ${ctx.path}`);
  });
  t.is(await (await fetch(`${url}a?b`)).text(), "GET /a");
  t.deepEqual(told, []);
});
