import { once } from "node:events";
import { connect } from "node:net";
import test from "ava";
import { eventually } from "../tools/eventually.ts";
import { json } from "../tools/json.ts";
import { readUntil } from "../tools/raw.ts";
import { startServer } from "../tools/server.ts";
import { ask, connectTo, startSecureServer } from "./h2-server.ts";

test("without limits, a client may ask as often as it likes", async (t) => {
  const { url } = await startServer(t, { memory: true });
  for (let times = 0; times < 200; times += 1) t.is((await fetch(`${url}/healthz`)).status, 200);
});

test("a client that asks too often is told when to come back, and is answered then", async (t) => {
  const { url } = await startServer(t, { memory: true, clientRequests: 2 });
  for (let times = 0; times < 20; times += 1) t.is((await fetch(`${url}/layer`)).status, 200);
  const refused = await fetch(`${url}/layer`);
  t.is(refused.status, 429);
  t.is((await json(refused)).errors[0].code, "TOOMANYREQUESTS");
  t.is(refused.headers.get("retry-after"), "1");
  const registry = await fetch(`${url}/v2/`);
  t.is(registry.status, 429);
  t.is((await json(registry)).errors[0].code, "TOOMANYREQUESTS");
  await eventually(async () => (await fetch(`${url}/layer`)).status === 200);
});

test("clients are told apart by who they are, and by the address that the proxy has seen", async (t) => {
  const identify = (ctx: { get(name: string): string }) => ctx.get("X-User") || undefined;
  const config = { memory: true, clientRequests: 1, trustProxy: true };
  const { url } = await startServer(t, config, { identify });
  const status = async (headers: Record<string, string>) => (await fetch(`${url}/layer`, { headers })).status;
  const useUp = async (headers: Record<string, string>) => {
    for (let times = 0; times < 10; times += 1) t.is(await status(headers), 200);
    t.is(await status(headers), 429);
  };
  await useUp({ "X-User": "ann" });
  t.is(await status({ "X-User": "bob" }), 200);
  await useUp({ "X-Forwarded-For": "10.0.0.1, 192.0.2.1" });
  t.is(await status({ "X-Forwarded-For": "192.0.2.2, 192.0.2.1" }), 429);
  t.is(await status({ "X-Forwarded-For": "192.0.2.1, 192.0.2.2" }), 200);
  await useUp({ "X-Forwarded-For": "2001:db8:1:2::1" });
  t.is(await status({ "X-Forwarded-For": "2001:db8:1:2::2" }), 429);
  t.is(await status({ "X-Forwarded-For": "2001:db8:1:3::1" }), 200);
});

test("whoever has as many uploads under way as it may starts no other; downloads go on", async (t) => {
  const { url, port } = await startServer(t, { memory: true, clientUploads: 2 });
  const sockets = [1, 2].map(() => connect(port, "127.0.0.1"));
  for (const socket of sockets) {
    t.teardown(() => socket.destroy());
    socket.write("POST /layer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12");
  }
  const post = async () => (await fetch(`${url}/layer`, { method: "POST", body: "x" })).status;
  await eventually(async () => (await post()) === 429);
  t.is((await fetch(`${url}/layer`)).status, 200);
  sockets[0]?.write("345");
  if (sockets[0] !== undefined) t.regex(await readUntil(sockets[0], "\r\n\r\n"), /^HTTP\/1.1 201 /);
  await eventually(async () => (await post()) === 201);
  // One that breaks off gives its place back too.
  sockets[1]?.destroy();
  if (sockets[1] !== undefined) await once(sockets[1], "close");
  await eventually(async () => (await post()) === 201);
});

for (const [how, body] of [
  ["announced", () => "x".repeat(600)],
  ["in chunks", () => new Blob(["x".repeat(600)]).stream()],
] as const) {
  test(`whoever has sent more than it may in an hour sends no more: ${how}`, async (t) => {
    const { url } = await startServer(t, { memory: true, clientBytes: 1000 });
    const post = () =>
      fetch(`${url}/layer`, { method: "POST", body: body(), duplex: "half" } as RequestInit & {
        duplex: "half";
      });
    t.is((await post()).status, 201);
    t.is((await post()).status, 201);
    const refused = await post();
    t.is(refused.status, 429);
    const wait = Number(refused.headers.get("retry-after"));
    t.true(wait > 600 && wait < 800, String(wait));
    t.is((await fetch(`${url}/layer`)).status, 200);
  });
}

test("bytes that HTTP/2 sends without their length count, and requests without a body do not", async (t) => {
  const server = await startSecureServer(t, { clientBytes: 1000, clientUploads: 1 });
  const session = await connectTo(t, server);
  const post = () => ask(session, { ":method": "POST", ":path": "/layer" }, Buffer.alloc(1200, "x"));
  t.is((await post()).status, 201);
  t.is((await post()).status, 429);
  t.is((await ask(session, { ":path": "/layer" })).status, 200);
  t.is((await ask(session, { ":method": "POST", ":path": "/v2/team/app/blobs/uploads/" })).status, 202);
});
