import { once } from "node:events";
import { Agent, createServer, get, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { Drain } from "../../src/cli/drain.ts";

/** A server whose answers are finished by the test. */
async function start(t: ExecutionContext, handler: (req: IncomingMessage, res: ServerResponse) => void) {
  const server = createServer(handler);
  server.keepAliveTimeout = 60_000;
  const drain = new Drain(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { server, drain, port };
}

async function request(port: number, agent: Agent): Promise<IncomingMessage> {
  const [response] = await once(get({ port, host: "127.0.0.1", agent }), "response");
  return response as IncomingMessage;
}

const connections = (server: Server) =>
  new Promise<number>((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });

test("an answer that has begun is finished, and its connection closed", async (t) => {
  const begun = Promise.withResolvers<ServerResponse>();
  const { server, drain, port } = await start(t, (_req, res) => {
    res.write("one ");
    begun.resolve(res);
  });
  const response = await request(port, new Agent({ keepAlive: true }));
  const finished = drain.finish();
  t.is(await connections(server), 1);
  (await begun.promise).end("two");
  t.is(await text(response), "one two");
  await finished;
  t.is(await connections(server), 0);
});

test("an answer that has not begun says that the connection closes", async (t) => {
  const asked = Promise.withResolvers<ServerResponse>();
  const { drain, port } = await start(t, (_req, res) => asked.resolve(res));
  const answered = request(port, new Agent({ keepAlive: true }));
  const res = await asked.promise;
  const finished = drain.finish();
  res.end("late");
  const response = await answered;
  t.is(response.headers.connection, "close");
  t.is(await text(response), "late");
  await finished;
});

test("connections without a request do not hold it up", async (t) => {
  const { server, drain, port } = await start(t, (_req, res) => res.end("ok"));
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  await text(await request(port, agent));
  const silent = connect(port, "127.0.0.1");
  const half = connect(port, "127.0.0.1");
  for (const socket of [silent, half]) socket.on("error", () => undefined);
  await once(silent, "connect");
  half.write("GET / HTT");
  while ((await connections(server)) < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  await drain.finish();
  t.is(await connections(server), 0);
});

test("nobody new is let in", async (t) => {
  const { drain, port } = await start(t, (_req, res) => res.end("ok"));
  await drain.finish();
  await t.throwsAsync(request(port, new Agent()), { code: "ECONNREFUSED" });
});
