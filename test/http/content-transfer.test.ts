import { once } from "node:events";
import test from "ava";
import type Koa from "koa";
import { connectTo, LETTERS, parseAnswer, serve, TestHandle } from "./content-server.ts";

const LARGE = Buffer.alloc(32 * 1024 * 1024, "0123456789abcde");
const RANGES_OF_LARGE = `Range: bytes=${Array.from({ length: 60 }, (_, i) => `${i * 500_000}-${i * 500_000 + 400_000}`).join(",")}`;

for (const [kind, fields] of Object.entries({
  "a whole": [],
  "a range": ["Range: bytes=1-"],
  "many ranges": [RANGES_OF_LARGE],
})) {
  test(`a client that does not read holds up the transfer of ${kind}`, async (t) => {
    const handle = new TestHandle(LARGE);
    const to = await serve(t, handle);
    const socket = connectTo(t, to);
    socket.write(["GET / HTTP/1.1", ...fields, "Host: x", "Connection: close", "", ""].join("\r\n"));
    const writable = await handle.blocked.promise;
    t.true(writable.writableLength < 1024 * 1024);
    t.deepEqual(to.outcomes, []);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk);
    const answer = parseAnswer(Buffer.concat(chunks));
    t.is(answer.headers["content-length"], String(answer.body.length));
    t.deepEqual(to.outcomes, [{ sent: answer.body.length }]);
    if (kind === "a whole") t.true(answer.body.equals(LARGE));
  });

  test(`a client that goes away in the middle of ${kind} ends the transfer, and that is no error`, async (t) => {
    const handle = new TestHandle(LARGE);
    const to = await serve(t, handle);
    const socket = connectTo(t, to);
    socket.write(["GET / HTTP/1.1", ...fields, "Host: x", "", ""].join("\r\n"));
    await handle.blocked.promise;
    socket.destroy();
    await to.ended(1);
    t.is(handle.running, 0);
    const [outcome] = to.outcomes;
    t.is(outcome?.error, undefined);
    t.true((outcome?.sent ?? 0) > 0 && (outcome?.sent ?? 0) < LARGE.length);
  });

  test(`a connection reset in the middle of ${kind} ends the transfer, and that is no error`, async (t) => {
    const handle = new TestHandle(LARGE);
    const to = await serve(t, handle);
    const socket = connectTo(t, to);
    socket.write(["GET / HTTP/1.1", ...fields, "Host: x", "", ""].join("\r\n"));
    await handle.blocked.promise;
    socket.resetAndDestroy();
    await to.ended(1);
    t.is(handle.running, 0);
    t.is(to.outcomes[0]?.error, undefined);
  });
}

test("a log sees a response that was cut off as not finished", async (t) => {
  const handle = new TestHandle(LARGE);
  const closed = Promise.withResolvers<boolean>();
  const outer = ({ res }: Koa.Context) => void res.once("close", () => closed.resolve(res.writableFinished));
  const to = await serve(t, handle, { outer });
  const socket = connectTo(t, to);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await handle.blocked.promise;
  socket.destroy();
  t.false(await closed.promise);
});

for (const [kind, faults, fields] of [
  ["a read that fails in the middle", { failAt: 20 * 1024 * 1024 }, []],
  ["a read that fails in the middle of a range", { failAt: 20 * 1024 * 1024 }, ["Range: bytes=5-"]],
  ["a read that fails in the third part", { failAt: 1_000_001 }, [RANGES_OF_LARGE]],
  ["a read that fails at once", { failAt: 0 }, []],
  ["content that ends too early", { shortAt: 20 * 1024 * 1024 }, []],
  ["content that ends too early in a part", { shortAt: 600_000 }, [RANGES_OF_LARGE]],
] as const) {
  test(`${kind} breaks the connection, and the error is thrown`, async (t) => {
    const to = await serve(t, new TestHandle(LARGE, faults));
    const socket = connectTo(t, to);
    socket.write(["GET / HTTP/1.1", ...fields, "Host: x", "", ""].join("\r\n"));
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk)).on("error", () => undefined);
    await once(socket, "close");
    const answer = parseAnswer(Buffer.concat(chunks));
    t.true(answer.body.length < Number(answer.headers["content-length"] ?? "1"));
    await to.ended(1);
    t.true(to.outcomes[0]?.error instanceof Error);
  });
}

test("pipelined requests are answered in order", async (t) => {
  const to = await serve(t, new TestHandle(LETTERS));
  const socket = connectTo(t, to);
  const asked = ["bytes=0-3", "bytes=100-103", "bytes=-4"];
  const requests = asked.map((range, i) => {
    const close = i === asked.length - 1 ? "Connection: close\r\n" : "";
    return `GET / HTTP/1.1\r\nHost: x\r\nRange: ${range}\r\n${close}\r\n`;
  });
  socket.write(requests.join(""));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  const ranges = Buffer.concat(chunks)
    .toString()
    .match(/(?<=Content-Range: ).*/g);
  t.deepEqual(ranges, ["bytes 0-3/1000", "bytes 100-103/1000", "bytes 996-999/1000"]);
});

test("a client that goes away leaves none of its pipelined requests behind", async (t) => {
  const handle = new TestHandle(LARGE);
  const to = await serve(t, handle);
  const socket = connectTo(t, to);
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n${RANGES_OF_LARGE}\r\n\r\n`);
  await handle.blocked.promise;
  socket.destroy();
  await to.ended(2);
  t.is(handle.running, 0);
  t.deepEqual(
    to.outcomes.map(({ error }) => error),
    [undefined, undefined],
  );
});

test("a read that fails while its response waits for its turn breaks the connection", async (t) => {
  const handles = [new TestHandle(LARGE), new TestHandle(LARGE, { failAt: 0 })];
  const to = await serve(t, () => handles.shift() ?? new TestHandle(LETTERS));
  const socket = connectTo(t, to);
  socket.on("error", () => undefined);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await to.ended(2);
  socket.resume();
  await once(socket, "close");
  t.is(to.outcomes.filter(({ error }) => error instanceof Error).length, 1);
});
