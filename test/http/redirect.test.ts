import { randomBytes } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import type { StoreOptions } from "../../src/config.ts";
import { database } from "../tools/database.ts";
import { s3 } from "../tools/s3.ts";
import { startServer } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";
import { Client, MANIFEST, sha256 } from "./v2/client.ts";

/* Reads that are sent to the bucket itself. */

async function startRedirecting(t: ExecutionContext, more: StoreOptions = {}) {
  const bucket = await s3();
  const where = { blobs: `s3://${bucket.bucket()}/some/prefix`, s3Endpoint: bucket.url, s3PathStyle: true };
  const { url, layerd } = await startServer(t, {
    ...{ index: await database(), indexConnections: 4, s3Redirect: true },
    ...where,
    ...more,
  });
  return { client: new Client(url), layerd, bucket };
}

const manual = (url: string, headers = {}, method = "GET") =>
  fetch(url, { method, headers, redirect: "manual" });

test("a large blob is to be had from the bucket, whole or in part", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { client, bucket } = await startRedirecting(t);
  const content = randomBytes(200_000);
  const digest = await client.pushBlob(content);
  const url = `${client.url}/v2/team/app/blobs/${digest}`;
  const sent = await manual(url);
  t.is(sent.status, 307);
  t.is(sent.headers.get("docker-content-digest"), digest);
  t.is(sent.headers.get("cache-control"), "no-store");
  t.true(sent.headers.get("location")?.startsWith(`${bucket.url}/`));
  const whole = await fetch(url);
  t.is(sha256(Buffer.from(await whole.arrayBuffer())), digest);
  t.is(whole.headers.get("content-type"), "application/octet-stream");
  t.is(whole.headers.get("content-disposition"), "attachment");
  const part = await fetch(url, { headers: { Range: "bytes=100-199" } });
  t.is(part.status, 206);
  t.true(Buffer.from(await part.arrayBuffer()).equals(content.subarray(100, 200)));
});

test("what is at hand, or not asked for, is not sent elsewhere", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { client } = await startRedirecting(t);
  const small = await client.pushBlob("small");
  const large = await client.pushBlob("x".repeat(100_000));
  const at = (digest: string) => `${client.url}/v2/team/app/blobs/${digest}`;
  t.is(await (await manual(at(small))).text(), "small");
  const head = await manual(at(large), {}, "HEAD");
  t.is(head.status, 200);
  t.is(head.headers.get("content-length"), "100000");
  t.is((await manual(at(large), { "If-None-Match": `"${large}"` })).status, 304);
  t.is((await manual(at(sha256("not here")))).status, 404);
  const layer = await manual(`${client.url}/layer/${large}`);
  t.is(layer.status, 404, "it is in another repository");
});

test("clients are sent where they reach the bucket", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { client } = await startRedirecting(t, { s3PublicEndpoint: "https://layers.example.com" });
  const digest = await client.pushBlob("x".repeat(100_000));
  const sent = await manual(`${client.url}/v2/team/app/blobs/${digest}`);
  const location = new URL(sent.headers.get("location") ?? "");
  t.is(location.origin, "https://layers.example.com");
  t.is(location.searchParams.get("X-Amz-Expires"), "600");
});

test("without the setting everything comes from the server", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { client } = await startRedirecting(t, { s3Redirect: false });
  const manifest = await client.pushImage("x".repeat(100_000), { tag: "v1" });
  const { digest } = JSON.parse(manifest).layers[0];
  t.is((await manual(`${client.url}/v2/team/app/blobs/${digest}`)).status, 200);
  t.is((await client.send("GET", "manifests/v1")).headers.get("content-type"), MANIFEST);
});
