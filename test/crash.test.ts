import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { join } from "node:path";
import test from "ava";
import { eventually } from "./tools/eventually.ts";
import { spawnServer } from "./tools/process.ts";
import { storedBlobs, temporaryDirectory } from "./tools/server.ts";

/* The real server, really killed. */

const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

test("kill -9 in the middle of an upload: what was acknowledged is there, what was not goes on", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const bytes = randomBytes(20_000_000);
  const first = await spawnServer(t, ["--data", data]);
  const kept = randomBytes(1_000_000);
  const posted = await fetch(`${first.url}/layer`, { method: "POST", body: kept });
  t.is(posted.status, 201);
  const path = `/layer/${digestOf(bytes)}`;
  const socket = connect(Number(new URL(first.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  await new Promise((resolve) => socket.write(bytes.subarray(0, 12_000_000), resolve));
  await eventually(async () => (await offset(`${first.url}${path}`)) >= 12_000_000);
  await first.kill();

  const second = await spawnServer(t, ["--data", data]);
  t.deepEqual(await storedBlobs(data), [digestOf(kept).slice(7)]);
  const got = await fetch(`${second.url}${posted.headers.get("location")}`);
  t.is(digestOf(Buffer.from(await got.arrayBuffer())), digestOf(kept));
  const at = await offset(`${second.url}${path}`);
  // Bytes that had been received but not written are lost with the process: at most a buffer or two.
  t.true(at > 12_000_000 - 8 * 1024 * 1024 && at <= 12_000_000, String(at));
  const rest = await fetch(`${second.url}${path}`, {
    method: "PUT",
    body: bytes.subarray(at),
    headers: { "Content-Range": `bytes ${at}-${bytes.length - 1}/${bytes.length}` },
  });
  t.is(rest.status, 201);
  const whole = Buffer.from(await (await fetch(`${second.url}${path}`)).arrayBuffer());
  t.is(digestOf(whole), digestOf(bytes));
});

test("SIGTERM lets a download in flight finish, then the server exits with 0", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const server = await spawnServer(t, ["--data", data]);
  const bytes = randomBytes(30_000_000);
  const posted = await fetch(`${server.url}/layer`, { method: "POST", body: bytes });
  const answer = await fetch(`${server.url}${posted.headers.get("location")}`);
  const reader = answer.body?.getReader();
  const hash = createHash("sha256");
  const start = await reader?.read();
  hash.update(start?.value ?? "");
  const exit = server.terminate();
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
    hash.update(part.value);
  }
  t.is(`sha256:${hash.digest("hex")}`, digestOf(bytes));
  t.is(await exit, 0);
});

async function offset(url: string): Promise<number> {
  return Number((await fetch(url, { method: "HEAD" })).headers.get("upload-offset") ?? 0);
}
