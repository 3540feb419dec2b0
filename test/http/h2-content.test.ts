import { once } from "node:events";
import { connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import Koa from "koa";
import { isConnection } from "../../src/blobs/connection.ts";
import { serveContent } from "../../src/http/content.ts";
import { ETAG, type Faults, MEDIA_TYPE, TestHandle } from "./content-server.ts";
import { answerOf } from "./h2-server.ts";

const LARGE = Buffer.alloc(8 * 1024 * 1024, "0123456789abcde");
const RANGES = { range: "bytes=0-3000000,4000000-7000000" };

/** Content on a connection of HTTP/2 without TLS, as an application may serve it. */
async function serve(t: ExecutionContext, faults: Faults) {
  const outcomes: (number | Error)[] = [];
  const app = new Koa();
  app.use(async (ctx) => {
    const content = { handle: new TestHandle(LARGE, faults), etag: ETAG, mediaType: MEDIA_TYPE, fields: [] };
    outcomes.push(await Promise.resolve(serveContent(ctx, content)).catch((error: Error) => error));
  });
  app.on("error", () => undefined);
  const server = createServer(app.callback() as never).listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.teardown(() => {
    session.destroy();
    server.close();
  });
  return { session, outcomes };
}

for (const [kind, faults, headers] of [
  ["a read that fails in the middle", { failAt: 5_000_000 }, {}],
  ["a read that fails in the second part", { failAt: 5_000_000 }, RANGES],
  ["a read that fails at once", { failAt: 0 }, {}],
  ["content that ends too early", { shortAt: 5_000_000 }, {}],
  ["content that ends too early in a part", { shortAt: 5_000_000 }, RANGES],
] as const) {
  test(`${kind} resets the stream, and the error is thrown`, async (t) => {
    const { session, outcomes } = await serve(t, faults);
    const { headers: fields, body, code } = await answerOf(session.request({ ":path": "/", ...headers }));
    t.true(body.length < Number(fields["content-length"] ?? "1"));
    // RFC 9113 §7: INTERNAL_ERROR.
    t.is(code, 2);
    t.true(outcomes[0] instanceof Error);
    t.false(session.closed);
  });
}

test("memory that HTTP/2 has received or is to send is not taken for a connection's own", async (t) => {
  const seen = Promise.withResolvers<boolean[]>();
  const server = createServer((req, res) => {
    seen.resolve([req, res, req.stream].map(isConnection));
    res.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.teardown(() => {
    session.destroy();
    server.close();
  });
  session.request({ ":path": "/" }).resume();
  t.deepEqual(await seen.promise, [false, false, false]);
});

test("content is whole in a part after the other", async (t) => {
  const { session, outcomes } = await serve(t, {});
  const { headers, body } = await answerOf(session.request({ ":path": "/", ...RANGES }));
  t.is(headers["content-length"], String(body.length));
  t.deepEqual(outcomes, [body.length]);
});
