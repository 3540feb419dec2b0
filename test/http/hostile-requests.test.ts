import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import test from "ava";
import { json } from "../tools/json.ts";
import { readUntil, sendRaw } from "../tools/raw.ts";
import { startServer } from "../tools/server.ts";

const close = "Host: localhost\r\nConnection: close\r\n";

const statusOf = (answer: string) => Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]);

for (const [what, request, status] of [
  ["a target without a path", `GET http:// HTTP/1.1\r\n${close}\r\n`, 421],
  ["a target of localhost without a path", `GET http://localhost HTTP/1.1\r\n${close}\r\n`, 200],
  ["a target that names another host", `GET http://evil/layer HTTP/1.1\r\n${close}\r\n`, 421],
  ["two Hosts", `GET /healthz HTTP/1.1\r\nHost: evil\r\n${close}\r\n`, 400],
  ["HTTP/1.0 without a Host", "GET /healthz HTTP/1.0\r\n\r\n", 200],
  [
    "an expectation nobody knows",
    `POST /layer HTTP/1.1\r\n${close}Expect: x\r\nContent-Length: 1\r\n\r\na`,
    201,
  ],
  ["OPTIONS *", `OPTIONS * HTTP/1.1\r\n${close}\r\n`, 204],
  [
    "a transfer coding beyond chunked",
    `POST /layer HTTP/1.1\r\n${close}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ["a refused HEAD with a body", `HEAD /layer/x HTTP/1.1\r\n${close}Content-Length: 9\r\n\r\n`, 400],
] as const) {
  test(`${what} is ${status}`, async (t) => {
    const { port } = await startServer(t, { memory: true });
    t.is(statusOf(await sendRaw(port, request)), status);
  });
}

test("a client that closes its half after an upload still gets the answer", async (t) => {
  const { port } = await startServer(t);
  const request = "POST /layer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
  t.is(statusOf(await sendRaw(port, request, { halfClose: true })), 201);
});

test("garbage during a download ends the connection, and does not get into the content", async (t) => {
  const { url, port } = await startServer(t);
  const bytes = randomBytes(32_000_000);
  const { id } = await json(await fetch(`${url}/layer`, { method: "POST", body: bytes }));
  const socket = connect(port, "127.0.0.1");
  socket.write(`GET /layer/${id} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const chunks: Buffer[] = [await readUntil(socket, "\r\n\r\n").then((text) => Buffer.from(text, "latin1"))];
  socket.pause();
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => chunks.push(chunk));
  const closed = once(socket, "close");
  socket.write("GARBAGE GARBAGE\r\n\r\n");
  await new Promise((resolve) => setTimeout(resolve, 200));
  socket.resume();
  await closed;
  const got = Buffer.concat(chunks);
  const body = got.subarray(got.indexOf("\r\n\r\n") + 4);
  t.true(body.length < bytes.length);
  t.true(body.equals(bytes.subarray(0, body.length)));
});

test("requests sent ahead of their answers are handled one after the other", async (t) => {
  const { port } = await startServer(t);
  const id = createHash("sha256").update("pipelined").digest("hex");
  const round =
    "POST /layer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\npipelined" +
    `GET /layer/${id} HTTP/1.1\r\nHost: localhost\r\n\r\n` +
    `DELETE /layer/${id} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const answers = await sendRaw(port, `${round.repeat(3)}GET /healthz HTTP/1.1\r\n${close}\r\n`);
  const statuses = [...answers.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => Number(status));
  t.deepEqual(statuses, [201, 200, 204, 201, 200, 204, 201, 200, 204, 200]);
});

test("a client that sends requests without end ahead of their answers is cut off", async (t) => {
  const { url, port } = await startServer(t);
  const { id } = await json(await fetch(`${url}/layer`, { method: "POST", body: randomBytes(8_000_000) }));
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  const closed = once(socket, "close");
  socket.write(`GET /layer/${id} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(200));
  socket.resume();
  await closed;
  t.is((await fetch(`${url}/healthz`)).status, 200);
});

test("an upload that succeeds says so, even when somebody deletes the layer right then", async (t) => {
  const { url } = await startServer(t);
  const id = createHash("sha256").update("contested").digest("hex");
  const statuses = new Set<number>();
  const upload = async () => {
    for (let i = 0; i < 30; i += 1) {
      const { status } = await fetch(`${url}/layer`, { method: "POST", body: "contested" });
      statuses.add(status);
    }
  };
  const remove = async () => {
    for (let i = 0; i < 60; i += 1) await fetch(`${url}/layer/${id}`, { method: "DELETE" });
  };
  await Promise.all([upload(), upload(), upload(), remove(), remove()]);
  t.deepEqual([...statuses], [201]);
});

test("a manifest request is JSON whatever its Content-Type says", async (t) => {
  const { url } = await startServer(t);
  const { id } = await json(await fetch(`${url}/layer`, { method: "POST", body: "x" }));
  for (const type of ["junk", ";;;", "multipart/form-data; boundary=x"]) {
    const body = JSON.stringify({ layers: [id], artifactType: "application/x-test" });
    const answer = await fetch(`${url}/manifest`, {
      method: "POST",
      body,
      headers: { "Content-Type": type },
    });
    t.is(answer.status, 201, type);
  }
});
