import { randomBytes } from "node:crypto";
import test from "ava";
import { startServer } from "../../tools/server.ts";
import { Client, onEachDriver, refused, sha256 } from "./client.ts";

const range = (start: number, end: number) => ({ "Content-Range": `${start}-${end}` });

onEachDriver("chunks in order make a blob", async (t, client) => {
  const bytes = randomBytes(250_000);
  let location: string | null = await client.open();
  for (const [start, end] of [
    [0, 100_000],
    [100_000, 200_000],
  ] as const) {
    const patched = await client.follow("PATCH", location, bytes.subarray(start, end), range(start, end - 1));
    t.is(patched.status, 202);
    t.is(patched.headers.get("range"), `0-${end - 1}`);
    location = patched.headers.get("location");
  }
  const last = `${location}?digest=${sha256(bytes)}`;
  const put = await client.follow("PUT", last, bytes.subarray(200_000), range(200_000, 249_999));
  t.is(put.status, 201);
  const got = await client.follow("GET", put.headers.get("location"));
  t.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
});

onEachDriver("the last chunk may come with PATCH, and PUT without a body", async (t, client) => {
  const location = await client.open();
  await client.follow("PATCH", location, "con", range(0, 2));
  await client.follow("PATCH", location, "tent", range(3, 6));
  t.is((await client.follow("PUT", `${location}?digest=${sha256("content")}`)).status, 201);
});

onEachDriver("a stream of unknown length is a chunk", async (t, client) => {
  const location = await client.open();
  const body = new ReadableStream({
    start(controller) {
      for (const part of ["con", "te", "nt"]) controller.enqueue(Buffer.from(part));
      controller.close();
    },
  });
  const patched = await fetch(client.url + location, { method: "PATCH", body, duplex: "half" });
  t.is(patched.status, 202);
  t.is(patched.headers.get("range"), "0-6");
  t.is((await client.follow("PUT", `${location}?digest=${sha256("content")}`)).status, 201);
});

onEachDriver("GET says how much has arrived, and changes nothing", async (t, client) => {
  const location = await client.open();
  t.is((await client.follow("GET", location)).headers.get("range"), "0-0");
  await client.follow("PATCH", location, "con");
  for (const _ of [1, 2]) {
    const status = await client.follow("GET", location);
    t.is(status.status, 204);
    t.is(status.headers.get("location"), location);
    t.is(status.headers.get("range"), "0-2");
  }
});

onEachDriver("a chunk that leaves a gap is 416, and is told where to go on", async (t, client) => {
  const location = await client.open();
  for (const [sent, offset] of [
    [undefined, 0],
    ["con", 3],
  ] as const) {
    if (sent !== undefined) await client.follow("PATCH", location, sent, range(0, 2));
    for (const answer of [
      await client.follow("PATCH", location, "xy", range(5, 6)),
      await client.follow("PUT", `${location}?digest=${sha256("xy")}`, "xy", range(5, 6)),
    ]) {
      t.is(answer.headers.get("location"), location);
      t.is(answer.headers.get("range"), `0-${Math.max(offset - 1, 0)}`);
      const [error] = await refused(t, answer, 416, "BLOB_UPLOAD_INVALID");
      t.like(error.detail, { expected: offset, provided: 5 });
    }
  }
  await client.follow("PATCH", location, "tent", range(3, 6));
  t.is((await client.follow("PUT", `${location}?digest=${sha256("content")}`)).status, 201);
});

test("a chunk that comes again is 416, and the upload goes on", async (t) => {
  const client = new Client((await startServer(t)).url);
  const location = await client.open();
  await client.follow("PATCH", location, "con", range(0, 2));
  t.is((await client.follow("PATCH", location, "con", range(0, 2))).status, 416);
  const put = await client.follow("PUT", `${location}?digest=${sha256("content")}`, "tent", range(3, 6));
  t.is(put.status, 201);
});

for (const field of [
  "x",
  "3-1",
  "-5",
  "0-",
  "bytes=0-",
  "0-1-2",
  "0x0-0x1",
  "1e1-2e1",
  `0-${"9".repeat(40)}`,
]) {
  test(`Content-Range: ${field.slice(0, 12)} is no range`, async (t) => {
    const client = new Client((await startServer(t, { memory: true })).url);
    const location = await client.open();
    const answer = await client.follow("PATCH", location, "x", { "Content-Range": field });
    await refused(t, answer, 400, "BLOB_UPLOAD_INVALID");
    t.is((await client.follow("GET", location)).headers.get("range"), "0-0");
  });
}

for (const [name, end] of [
  ["longer", 9],
  ["shorter", 1],
] as const) {
  test(`a range that is ${name} than the body is refused, and nothing is taken`, async (t) => {
    const client = new Client((await startServer(t)).url);
    const location = await client.open();
    await client.follow("PATCH", location, "begun");
    await refused(t, await client.follow("PATCH", location, "four", range(5, 5 + end)), 400, "SIZE_INVALID");
    t.is((await client.follow("GET", location)).headers.get("range"), "0-4");
  });
}

test("ranges as RFC 9110 writes them are understood, too", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const location = await client.open();
  const patch = (body: string, field: string) =>
    client.follow("PATCH", location, body, { "Content-Range": field });
  t.is((await patch("ab", "bytes 0-1/6")).status, 202);
  t.is((await patch("cd", "bytes=2-3")).status, 202);
  t.is((await patch("ef", "bytes 4-5/*")).status, 202);
  t.is((await client.follow("PUT", `${location}?digest=${sha256("abcdef")}`)).status, 201);
});

onEachDriver("chunks of one byte, and of none, are taken", async (t, client) => {
  const location = await client.open();
  for (const part of ["a", "", "b", "c"]) t.is((await client.follow("PATCH", location, part)).status, 202);
  t.is((await client.follow("PUT", `${location}?digest=${sha256("abc")}`)).status, 201);
});

onEachDriver("a wrong digest at the end of chunks stores nothing", async (t, client) => {
  const location = await client.open();
  await client.follow("PATCH", location, "con");
  await refused(t, await client.follow("PUT", `${location}?digest=${sha256("x")}`), 400, "DIGEST_INVALID");
  t.is(await client.status("HEAD", `blobs/${sha256("con")}`), 404);
  t.is(await client.status("HEAD", `blobs/${sha256("x")}`), 404);
});
