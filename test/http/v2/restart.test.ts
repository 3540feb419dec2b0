import { randomBytes } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import test from "ava";
import { eventually } from "../../tools/eventually.ts";
import { spawnServer } from "../../tools/process.ts";
import { temporaryDirectory } from "../../tools/server.ts";
import { Client, describe, imageOf, MANIFEST, sha256, sha512 } from "./client.ts";

const directory = async (t: Parameters<typeof temporaryDirectory>[0]) => [
  "--data",
  join(await temporaryDirectory(t), "data"),
];

test("what was pushed is there after the server was killed", async (t) => {
  const data = await directory(t);
  const server = await spawnServer(t, data);
  const before = new Client(server.url);
  const subject = describe(MANIFEST, imageOf("layer"));
  const manifest = await before.pushImage("layer", { tag: "v1" });
  const note = await before.pushImage("note", { more: { subject } });
  await server.kill();
  const { url } = await spawnServer(t, data);
  const client = new Client(url);
  t.is(await (await client.send("GET", "manifests/v1")).text(), manifest);
  t.is(await (await client.send("GET", `blobs/${sha256("layer")}`)).text(), "layer");
  t.deepEqual(await (await client.send("GET", "tags/list")).json(), { name: "team/app", tags: ["v1"] });
  const referrers = await (await client.send("GET", `referrers/${sha256(manifest)}`)).text();
  t.true(referrers.includes(sha256(note)));
  t.is((await client.send("DELETE", `blobs/${sha256("layer")}`)).status, 405);
});

test("a session goes on at its offset after the server was killed", async (t) => {
  const data = await directory(t);
  const bytes = randomBytes(300_000);
  const server = await spawnServer(t, data);
  const before = new Client(server.url);
  const location = await before.open("?digest-algorithm=sha512");
  await before.follow("PATCH", location, bytes.subarray(0, 100_000));
  await server.kill();
  const { url } = await spawnServer(t, data);
  const client = new Client(url);
  t.is((await client.follow("GET", location)).headers.get("range"), "0-99999");
  const range = { "Content-Range": "100000-299999" };
  const put = await client.follow(
    "PUT",
    `${location}?digest=${sha512(bytes)}`,
    bytes.subarray(100_000),
    range,
  );
  t.is(put.status, 201);
  const got = await client.send("GET", `blobs/${sha512(bytes)}`);
  t.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
});

test("a session whose server was killed in the middle of a chunk keeps what had arrived", async (t) => {
  const data = await directory(t);
  const server = await spawnServer(t, data);
  const bytes = randomBytes(8_000_000);
  const location = await new Client(server.url).open();
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  await new Promise((resolve) => socket.write(bytes.subarray(0, 5_000_000), resolve));
  const [, path] = data;
  await eventually(async () => {
    const names = await readdir(join(path ?? "", "uploads"));
    const sizes = await Promise.all(
      names.map(async (name) => (await stat(join(path ?? "", "uploads", name))).size),
    );
    return sizes.some((size) => size >= 1_000_000);
  });
  await server.kill();
  const { url } = await spawnServer(t, data);
  const client = new Client(url);
  const offset =
    Number(/^0-(\d+)$/.exec((await client.follow("GET", location)).headers.get("range") ?? "")?.[1]) + 1;
  t.true(offset >= 1_000_000 && offset <= 5_000_000, String(offset));
  const range = { "Content-Range": `${offset}-${bytes.length - 1}` };
  const put = await client.follow(
    "PUT",
    `${location}?digest=${sha256(bytes)}`,
    bytes.subarray(offset),
    range,
  );
  t.is(put.status, 201);
});
