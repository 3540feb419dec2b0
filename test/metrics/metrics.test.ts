import { writeFile } from "node:fs/promises";
import { METHODS, request } from "node:http";
import test from "ava";
import { digestOf } from "../../src/core/digest.ts";
import { pathOf, spoil } from "../blobs/samples.ts";
import { ask, connectTo, startSecureServer } from "../http/h2-server.ts";
import { eventually } from "../tools/eventually.ts";
import { readExposition, type Samples } from "../tools/exposition.ts";
import { startServer, type TestServer } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";

const read = async ({ layerd }: Pick<TestServer, "layerd">) => readExposition(await layerd.metrics());

/** What the counts are once all requests have been counted: an answer arrives before its connection is done with it. */
async function settled(server: Pick<TestServer, "layerd">): Promise<Samples> {
  await eventually(async () => (await read(server)).get("layerd_http_requests_in_flight") === 0);
  return await read(server);
}

const requests = (method: string, route: string, status: number) =>
  `layerd_http_requests_total{method="${method}",route="${route}",status="${status}"}`;

test("requests are counted by method, kind of address and status, with what was sent", async (t) => {
  const server = await startServer(t);
  const posted = await fetch(`${server.url}/layer`, { method: "POST", body: "x".repeat(1000) });
  const layer = `${server.url}${posted.headers.get("location")}`;
  for (let n = 0; n < 3; n += 1) await (await fetch(layer)).text();
  await fetch(`${server.url}/v2/library/tags/list`);
  await fetch(`${server.url}/v2/none/manifests/v1`);
  await fetch(`${server.url}/nowhere`);
  await fetch(`${server.url}/healthz`);
  const metrics = await settled(server);
  t.is(metrics.get(requests("POST", "layer", 201)), 1);
  t.is(metrics.get(requests("GET", "layer", 200)), 3);
  t.is(metrics.get(requests("GET", "v2-manifest", 404)), 1);
  t.is(metrics.get(requests("GET", "v2-tags", 200)), 1);
  t.is(metrics.get(requests("GET", "other", 404)), 1);
  t.is(metrics.get(requests("GET", "health", 200)), 1);
  t.is(metrics.get('layerd_http_response_body_bytes_total{method="GET",route="layer"}'), 3000);
  t.is(metrics.get('layerd_http_request_duration_seconds_count{method="GET",route="layer"}'), 3);
  t.true((metrics.get('layerd_http_request_duration_seconds_sum{method="GET",route="layer"}') ?? 0) > 0);
  t.true((metrics.get("layerd_network_received_bytes_total") ?? 0) > 1000);
  t.true((metrics.get("layerd_network_sent_bytes_total") ?? 0) > 3000);
  t.is(metrics.get('layerd_blob_cache_reads_total{result="miss"}'), 1);
  t.is(metrics.get('layerd_blob_cache_reads_total{result="hit"}'), 2);
  t.is(metrics.get('layerd_index_changes_total{type="blobLinked"}'), 1);
});

test("the buckets of durations add up", async (t) => {
  const server = await startServer(t, { memory: true });
  for (let n = 0; n < 20; n += 1) await (await fetch(`${server.url}/healthz`)).text();
  const metrics = await settled(server);
  const buckets = [...metrics].filter(([name]) => name.includes("_bucket{"));
  const counts = buckets.map(([, count]) => count);
  t.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
  );
  t.is(counts.at(-1), 20);
  t.true(buckets.at(-1)?.[0].includes('le="+Inf"'));
});

test("whatever clients ask for, there are no more series than kinds of requests", async (t) => {
  const server = await startServer(t, { memory: true });
  const send = (method: string, path: string) =>
    new Promise<void>((done, reject) => {
      const req = request(`${server.url}${path}`, { method }, (res) => res.resume().on("close", done));
      req.on("error", reject).end();
    });
  const randomName = () => Math.random().toString(36).slice(2);
  const ask = async (rounds: number) => {
    for (let n = 0; n < rounds; n += 1) {
      for (const method of METHODS.filter((name) => name !== "CONNECT")) {
        await send(method, `/${randomName()}`);
        await send(method, `/v2/${randomName()}/manifests/${randomName()}`);
        await send(method, `/layer/${randomName()}`);
      }
    }
  };
  await ask(1);
  const before = (await settled(server)).size;
  await ask(5);
  const after = await settled(server);
  t.is(after.size, before);
  const methods = [...after.keys()].flatMap((name) => /method="(\w+)"/.exec(name)?.[1] ?? []);
  t.deepEqual([...new Set(methods)].sort(), [
    "DELETE",
    "GET",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "POST",
    "PUT",
    "other",
  ]);
});

test("a client that leaves is counted as one", async (t) => {
  const server = await startServer(t);
  const posted = await fetch(`${server.url}/layer`, {
    method: "POST",
    body: new Uint8Array(64 * 1024 * 1024),
  });
  await new Promise<void>((done) => {
    const req = request(`${server.url}${posted.headers.get("location")}`, (res) => {
      res.once("data", () => {
        req.destroy();
        done();
      });
    });
    req.end();
  });
  t.is((await settled(server)).get("layerd_http_requests_aborted_total"), 1);
});

test("open upload sessions are counted, until they end", async (t) => {
  const server = await startServer(t);
  const open = await fetch(`${server.url}/v2/app/blobs/uploads/`, { method: "POST" });
  const session = `${server.url}${open.headers.get("location")}`;
  const states = async () => {
    const metrics = await read(server);
    return ["announced", "begun"].map((state) => metrics.get(`layerd_upload_sessions{state="${state}"}`));
  };
  t.deepEqual(await states(), [1, 0]);
  await fetch(session, { method: "PATCH", body: "part" });
  t.deepEqual(await states(), [0, 1]);
  await fetch(session, { method: "DELETE" });
  t.deepEqual(await states(), [0, 0]);
});

test("a collection tells what it removed and what it left", async (t) => {
  const server = await startServer(t, { gc: false, gcGrace: 1 });
  const ids = [];
  for (const body of ["one", "three"]) {
    const posted = await fetch(`${server.url}/layer`, { method: "POST", body });
    ids.push(posted.headers.get("location"));
  }
  t.false((await read(server)).has("layerd_store_blobs"));
  t.false((await read(server)).has("layerd_gc_last_success_timestamp_seconds"));
  await fetch(`${server.url}${ids[0]}`, { method: "DELETE" });
  await server.layerd.registry.collector.collect({ dryRun: true });
  t.is((await read(server)).get('layerd_gc_runs_total{result="success"}'), 0);
  await server.layerd.registry.collector.collect({ nothingPromised: true });
  const metrics = await read(server);
  t.is(metrics.get('layerd_gc_runs_total{result="success"}'), 1);
  t.is(metrics.get("layerd_gc_discarded_blobs_total"), 1);
  t.is(metrics.get("layerd_gc_discarded_bytes_total"), 3);
  t.is(metrics.get("layerd_store_blobs"), 1);
  t.is(metrics.get("layerd_store_bytes"), 5);
  t.true((metrics.get("layerd_gc_last_success_timestamp_seconds") ?? 0) > 1.7e9);
});

test("a scrub tells what it read and found; quarantine is what lies there now", async (t) => {
  const server = await startServer(t, { gc: false, gcGrace: 1, trashTtl: 1, scrubRate: 0 });
  for (const body of ["one", "three"]) await fetch(`${server.url}/layer`, { method: "POST", body });
  t.false((await read(server)).has("layerd_scrub_last_success_timestamp_seconds"));
  t.is((await read(server)).get("layerd_quarantine_blobs"), 0);
  const path = pathOf(server.data, digestOf(Buffer.from("three")));
  await spoil(path, () => writeFile(path, "throw"));
  await server.layerd.registry.scrubber.scrub();
  const metrics = await read(server);
  t.is(metrics.get('layerd_scrub_runs_total{result="success"}'), 1);
  t.is(metrics.get('layerd_scrub_runs_total{result="failure"}'), 0);
  t.is(metrics.get("layerd_scrub_blobs_total"), 2);
  t.is(metrics.get("layerd_scrub_bytes_total"), 8);
  t.is(metrics.get('layerd_scrub_rot_total{what="quarantined"}'), 1);
  t.is(metrics.get('layerd_scrub_rot_total{what="unreadable"}'), 0);
  t.true((metrics.get("layerd_scrub_last_success_timestamp_seconds") ?? 0) > 1.7e9);
  t.is(metrics.get("layerd_quarantine_blobs"), 1);
  t.is(metrics.get("layerd_quarantine_bytes"), 5);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await server.layerd.registry.collector.collect();
  const after = await read(server);
  t.is(after.get("layerd_quarantine_blobs"), 0);
  t.is(after.get("layerd_gc_disposed_blobs_total"), 1);
  t.is(after.get("layerd_gc_disposed_bytes_total"), 5);
  t.false((await read(await startServer(t, { memory: true }))).has("layerd_quarantine_blobs"));
});

test("the disk is that of the data directory; a store in memory has none", async (t) => {
  const disk = await read(await startServer(t));
  t.true((disk.get("layerd_disk_size_bytes") ?? 0) >= (disk.get("layerd_disk_free_bytes") ?? Infinity));
  t.false((await read(await startServer(t, { memory: true }))).has("layerd_disk_size_bytes"));
});

test("two in one process count for themselves", async (t) => {
  const [one, two] = [await startServer(t, { memory: true }), await startServer(t, { memory: true })];
  await fetch(`${one.url}/healthz`);
  t.is((await settled(one)).get(requests("GET", "health", 200)), 1);
  t.false((await settled(two)).has(requests("GET", "health", 200)));
});

test("bytes on connections with TLS and HTTP/2 are counted too", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const server = await startSecureServer(t);
  const session = await connectTo(t, server);
  const { status } = await ask(session, { ":method": "POST", ":path": "/layer" }, Buffer.alloc(100_000, 1));
  t.is(status, 201);
  const metrics = await settled(server);
  t.true((metrics.get("layerd_network_received_bytes_total") ?? 0) > 100_000);
  t.true((metrics.get("layerd_network_sent_bytes_total") ?? 0) > 100);
  t.is(metrics.get(requests("POST", "layer", 201)), 1);
});
