import test from "ava";
import { createAuditMetrics } from "../../src/metrics/metrics.ts";
import type { Samples } from "../../src/metrics/samples.ts";
import { Together } from "../../src/metrics/together.ts";
import { readExposition } from "../tools/exposition.ts";
import { startServer } from "../tools/server.ts";

async function lost(lines: number): Promise<Samples> {
  return await createAuditMetrics(() => lines).samples();
}

const read = async (together: Together) => readExposition(await together.text());
const LOST = "layerd_audit_lost_lines_total";

test("what a process had counted stays when it has ended, and is counted once", async (t) => {
  const together = new Together();
  together.report(1, await lost(3));
  together.report(2, await lost(4));
  together.report(1, await lost(5));
  t.is((await read(together)).get(LOST), 9);
  together.retire(1);
  together.retire(2);
  t.is((await read(together)).get(LOST), 9);
  together.report(3, await lost(1));
  t.is((await read(together)).get(LOST), 10);
});

test("a process that has said nothing leaves nothing", async (t) => {
  const together = new Together();
  together.report(1, await lost(3));
  together.retire(2);
  t.is((await read(together)).get(LOST), 3);
});

test("buckets of durations are added up; what processes have now ends with them", async (t) => {
  const together = new Together();
  const server = await startServer(t, { memory: true });
  for (let n = 0; n < 3; n += 1) await (await fetch(`${server.url}/healthz`)).text();
  const samples = structuredClone(await server.layerd.samples());
  const open = samples.find(({ name }) => name === "layerd_network_connections")?.values[0]?.value;
  together.report(1, samples);
  together.report(2, samples);
  const both = await read(together);
  const count = 'layerd_http_request_duration_seconds_count{method="GET",route="health"}';
  const bucket = 'layerd_http_request_duration_seconds_bucket{method="GET",route="health",le="+Inf"}';
  t.is(both.get(count), 6);
  t.is(both.get(bucket), 6);
  t.is(both.get("layerd_network_connections"), 2 * Number(open));
  t.true(Number(open) > 0);
  together.retire(1);
  const one = await read(together);
  t.is(one.get(count), 6);
  t.is(one.get("layerd_network_connections"), open);
});

test("the store is as the process found it that has collected last, even when it is gone", async (t) => {
  const together = new Together();
  const collected = async (layers: number) => {
    const server = await startServer(t, { memory: true, gc: false });
    for (let n = 0; n < layers; n += 1) await fetch(`${server.url}/layer`, { method: "POST", body: `${n}` });
    await server.layerd.registry.collector.collect();
    return await server.layerd.samples();
  };
  // The older one had more: neither the sum nor the greater value is right.
  together.report(1, await collected(3));
  together.report(2, await collected(1));
  const samples = await read(together);
  t.is(samples.get("layerd_store_blobs"), 1);
  t.is(samples.get('layerd_gc_runs_total{result="success"}'), 2);
  together.retire(2);
  t.is((await read(together)).get("layerd_store_blobs"), 1);
});

test("a lag that is not known yet does not hide the one that is", async (t) => {
  const together = new Together();
  const lag = (value: number): Samples => [
    {
      name: "nodejs_eventloop_lag_p99_seconds",
      help: "Lag.",
      type: "gauge" as never,
      aggregator: "average",
      values: [{ labels: {}, value }],
    },
  ];
  together.report(1, lag(Number.NaN));
  together.report(2, lag(0.25));
  together.report(3, lag(0.01));
  t.is((await read(together)).get("nodejs_eventloop_lag_p99_seconds"), 0.25);
});
