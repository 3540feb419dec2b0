import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import test from "ava";
import { parseRepositoryName } from "../../../src/core/name.ts";
import { isAlone } from "../../tools/arrangement.ts";
import { eventually } from "../../tools/eventually.ts";
import { readUntil } from "../../tools/raw.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../../tools/server.ts";
import { Client, onEachDriver, refused, sha256 } from "./client.ts";
import { stall } from "./stall.ts";

onEachDriver("of two first chunks at once, one is taken, and the upload goes on", async (t, client) => {
  for (let round = 0; round < 10; round += 1) {
    const location = await client.open();
    const range = { "Content-Range": "0-2" };
    const send = () => client.follow("PATCH", location, "con", range);
    const answers = await Promise.all([send(), send(), send()]);
    const statuses = answers.map(({ status }) => status);
    // One that is taken over is told 503.
    t.is(statuses.filter((status) => status === 202).length, 1);
    t.true(statuses.every((status) => [202, 416, 503].includes(status)));
    const put = await client.follow("PUT", `${location}?digest=${sha256("content")}`, "tent");
    t.is(put.status, 201);
  }
});

onEachDriver("a session that gets its first chunk is never unknown", async (t, client) => {
  for (let round = 0; round < 10; round += 1) {
    const location = await client.open();
    const [patched, ...looks] = await Promise.all([
      client.follow("PATCH", location, "con"),
      ...Array.from({ length: 3 }, () => client.follow("GET", location)),
    ]);
    t.is(patched.status, 202);
    for (const look of looks) t.is(look.status, 204);
  }
});

onEachDriver("of two who finish a session at once, whoever is told 201 has the blob", async (t, client) => {
  for (const content of ["small", "x".repeat(100_000)]) {
    const location = await client.open();
    const put = () => client.follow("PUT", `${location}?digest=${sha256(content)}`, content);
    const answers = await Promise.all([put(), put()]);
    for (const { status } of answers) t.true([201, 400, 404, 503].includes(status), String(status));
    t.true(answers.some(({ status }) => status === 201));
    t.is(await (await client.send("GET", `blobs/${sha256(content)}`)).text(), content);
  }
});

onEachDriver(
  "a PUT takes over from a chunk that stalls, and goes on behind it",
  async (t, client, server) => {
    const bytes = randomBytes(200_000);
    let location = "";
    let socket: Socket | undefined;
    // Whoever asks where a session stands ends what is arriving: too early, and it has to be begun again.
    await eventually(async () => {
      location = await client.open();
      socket = await stall(server, `PATCH ${location}`, bytes.subarray(0, 100_000));
      await delay(50);
      return (await client.follow("GET", location)).headers.get("range") === "0-99999";
    });
    const range = { "Content-Range": "100000-199999" };
    const put = await client.follow(
      "PUT",
      `${location}?digest=${sha256(bytes)}`,
      bytes.subarray(100_000),
      range,
    );
    t.is(put.status, 201);
    socket?.destroy();
  },
);

onEachDriver("a session cancelled while a chunk arrives leaves nothing", async (t, client, server) => {
  const location = await client.open();
  const socket = await stall(server, `PATCH ${location}`, "begun");
  const answer = readUntil(socket, "\r\n\r\n");
  t.is((await client.follow("DELETE", location)).status, 204);
  t.regex(await answer, /^HTTP\/1.1 (404|503) /);
  await refused(t, await client.follow("GET", location), 404, "BLOB_UPLOAD_UNKNOWN");
  t.deepEqual(await unfinishedUploads(server.data), []);
  socket.destroy();
});

test("nobody else's request disturbs a chunk that is arriving", async (t) => {
  const identify = (ctx: { get(name: string): string }) => ctx.get("X-User") || "ann";
  const server = await startServer(t, {}, { identify });
  const [ann, bob] = [new Client(server.url), new Client(server.url, "team/app", { "X-User": "bob" })];
  const location = await ann.open();
  await ann.follow("PATCH", location, "begun");
  const socket = await stall(server, `PATCH ${location}`, "more");
  let answered = false;
  socket.on("data", () => {
    answered = true;
  });
  for (const method of ["GET", "PATCH", "DELETE"]) {
    await refused(t, await bob.follow(method, location), 404, "BLOB_UPLOAD_UNKNOWN");
  }
  t.false(answered);
  t.is((await ann.follow("GET", location)).headers.get("range"), "0-8");
  socket.destroy();
});

test("tags set at once by many are all set", async (t) => {
  const client = new Client((await startServer(t)).url);
  const manifest = await client.pushImage("layer");
  const tags = Array.from({ length: 50 }, (_, at) => `t${at}`);
  const answers = await Promise.all(tags.map((tag) => client.putManifest(tag, manifest)));
  t.true(answers.every(({ status }) => status === 201));
  const { tags: listed } = (await (await client.send("GET", "tags/list")).json()) as { tags: string[] };
  t.deepEqual(listed, tags.toSorted());
  t.is(answers.length, 50);
});

test("the same blob pushed by many at once is there", async (t) => {
  const { url, data } = await startServer(t);
  const content = "x".repeat(100_000);
  await Promise.all(Array.from({ length: 20 }, (_, at) => new Client(url, `r${at % 3}`).pushBlob(content)));
  t.is((await storedBlobs(data)).length, 1);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("of sessions that are never used, only so many are kept", async (t) => {
  const { url, data, layerd } = await startServer(t);
  // Where other servers have to know of them, they are uploads like any other, and end with their time.
  if (!isAlone()) {
    t.pass();
    return;
  }
  const client = new Client(url);
  const first = await client.open();
  const place = { repository: parseRepositoryName("team/app"), who: "anonymous" };
  for (let count = 0; count < 10_000; count += 1) await layerd.registry.sessions.open(place);
  await refused(t, await client.follow("GET", first), 404, "BLOB_UPLOAD_UNKNOWN");
  const last = await client.open();
  t.is((await client.follow("PUT", `${last}?digest=${sha256("x")}`, "x")).status, 201);
  t.deepEqual(await unfinishedUploads(data), []);
});
