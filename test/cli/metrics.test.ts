import { once } from "node:events";
import { readFile, rename } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import test from "ava";
import { eventually } from "../tools/eventually.ts";
import { readExposition } from "../tools/exposition.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { run, serve } from "./command.ts";

test("metrics are on an address of their own, with those of the process", async (t) => {
  const { url, saw } = await serve(t, ["--memory", "--metrics-port", "0"]);
  const [, metrics = ""] = await saw("stderr", /metrics +(http:\/\/127\.0\.0\.1:\d+\/metrics)\n/);
  await fetch(`${url}/healthz`);
  const answer = await fetch(metrics);
  t.is(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const samples = readExposition(await answer.text());
  for (const name of ["process_resident_memory_bytes", "nodejs_eventloop_lag_p99_seconds"]) {
    t.true(samples.has(name), name);
  }
  t.is(samples.get('layerd_http_requests_total{method="GET",route="health",status="200"}'), 1);
  t.is((await fetch(new URL("/", metrics))).status, 404);
  t.is((await fetch(metrics, { method: "POST" })).status, 405);
  t.is((await fetch(`${url}/metrics`)).status, 404);
});

test("there are none unless somebody asks for them", async (t) => {
  const { saw, child, ended } = await serve(t, ["--memory"]);
  await saw("stderr", /curl/);
  child.kill();
  t.false((await ended).stderr.includes("metrics"));
});

test("a port for metrics that is taken is one sentence", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  t.teardown(() => other.close());
  const { port } = other.address() as AddressInfo;
  const { code, stderr } = await run(t, ["serve", "--memory", "--port", "0", "--metrics-port", String(port)]);
  t.is(
    stderr,
    `layerd: port ${port} of 127.0.0.1 is taken by another program; --metrics-port chooses another, 0 any free one\n`,
  );
  t.is(code, 1);
});

test("an audit log that cannot be written is one sentence", async (t) => {
  const path = join(await temporaryDirectory(t), "nowhere", "audit.jsonl");
  t.deepEqual(await run(t, ["serve", "--memory", "--port", "0", "--audit-log", path]), {
    code: 2,
    stdout: "",
    stderr: `layerd: the audit log cannot be written: ENOENT: no such file or directory, open '${path}'; auditLog names a file that this user may write, in a directory that is there\n`,
  });
});

test("SIGHUP opens the audit log anew; nothing is lost when the server stops", async (t) => {
  const path = join(await temporaryDirectory(t), "audit.jsonl");
  const { url, child, saw, ended } = await serve(t, ["--memory", "--audit-log", path]);
  const post = (body: string) => fetch(`${url}/layer`, { method: "POST", body });
  await post("one");
  await eventually(async () => (await readFile(path, "utf8")) !== "");
  await rename(path, `${path}.1`);
  child.kill("SIGHUP");
  await saw("stdout", /the audit log has been opened anew/);
  await post("four");
  child.kill("SIGTERM");
  t.is((await ended).code, 0);
  const sizes = [`${path}.1`, path].map(async (file) => JSON.parse(await readFile(file, "utf8")).size);
  t.deepEqual(await Promise.all(sizes), [3, 4]);
});
