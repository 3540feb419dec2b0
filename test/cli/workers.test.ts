import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rename } from "node:fs/promises";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import test from "ava";
import { digestOf } from "../../src/core/digest.ts";
import { eventually } from "../tools/eventually.ts";
import { readExposition, type Samples } from "../tools/exposition.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";
import { run } from "./command.ts";
import { ask, type Crew, isRunning, linesOf, serveByTwo, sharedStore } from "./crew.ts";

const REFUSED = "layerd: --workers needs ";
const MEBIBYTES = 1024 * 1024;

/** A log in which workers have begun to listen so many times. */
function listening(times: number): RegExp {
  return new RegExp(`(?:a worker listens(?:.|\\n)*){${times}}`);
}

test.serial("a store that one process must have for itself is refused to several", async (t) => {
  for (const workers of ["2", "auto"]) {
    const data = join(await temporaryDirectory(t), "data");
    const files = await run(t, ["serve", "--port", "0", "--workers", workers, "--data", data]);
    t.deepEqual(files, {
      code: 2,
      stdout: "",
      stderr: `${REFUSED}an index in PostgreSQL, for one in files is written by one process: --index takes its URL (docs/database.md)\n`,
    });
    const memory = await run(t, ["serve", "--port", "0", "--workers", workers, "--memory"]);
    t.is(memory.code, 2);
    t.regex(memory.stderr, new RegExp(`^${REFUSED}[^\\n]*in memory belongs to one[^\\n]*\\n$`));
  }
});

test.serial("no workers at all are refused", async (t) => {
  const { code, stderr } = await run(t, ["serve", "--workers", "0"]);
  t.is(code, 2);
  t.is(stderr, "layerd: --workers: '0' is not auto or a number from 1 to 1000\n");
});

test.serial("two workers answer on one port, and the log says who did", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { url, child, saw, ended } = await serveByTwo(t);
  await saw("stderr", /\n {2}workers {5}2 processes\n/);
  for (let n = 0; n < 10; n += 1) t.is((await ask(`${url}/healthz`)).status, 200);
  child.kill("SIGTERM");
  const { code, stdout } = await ended;
  t.is(code, 0);
  const lines = linesOf(stdout);
  const requests = lines.filter(({ msg }) => msg === "request").map(({ worker }) => worker);
  t.is(requests.length, 10);
  t.deepEqual([...new Set(requests)].sort(), [1, 2]);
  t.is(lines.filter(({ msg }) => msg === "listening").length, 1);
  t.is(lines.at(-1)?.msg, "stopped");
});

test.serial("an upload that one worker began goes on at the other", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { url, child, ended } = await serveByTwo(t);
  const [first, second] = [Buffer.alloc(3 * MEBIBYTES, "a"), Buffer.alloc(2 * MEBIBYTES, "b")];
  const digest = digestOf(Buffer.concat([first, second]));
  const opened = await ask(`${url}/v2/team/app/blobs/uploads/`, { method: "POST" });
  const octets = { "Content-Type": "application/octet-stream" };
  const at = (answer: typeof opened) => new URL(String(answer.headers.location), url);
  const part = await ask(at(opened).href, { method: "PATCH", body: first, headers: octets });
  t.is(part.status, 202);
  const again = await ask(at(part).href, { method: "PATCH", body: second, headers: octets });
  t.is(again.status, 202);
  const last = at(again);
  last.searchParams.set("digest", digest);
  t.is((await ask(last.href, { method: "PUT" })).status, 201);
  const answer = await ask(`${url}/v2/team/app/blobs/${digest}`);
  t.is(answer.body.length, first.length + second.length);
  child.kill("SIGTERM");
  const parts = (await ended).stdout
    .split("\n")
    .filter((line) => line.includes('"method":"PATCH"'))
    .map((line) => JSON.parse(line).worker);
  t.deepEqual(parts.sort(), [1, 2]);
});

test.serial("a worker that is killed is replaced, and who tries again loses nothing", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const crew = await serveByTwo(t);
  const stored = new Set<string>();
  let enough = false;
  const post = async (body: string) => {
    const answer = await ask(`${crew.url}/layer`, { method: "POST", body }).catch(() => undefined);
    return answer?.status === 201 && stored.add(body);
  };
  const client = async (name: number) => {
    for (let n = 0; !enough; n += 1) {
      const body = `${name} ${n}`;
      // Bytes that were sent twice are the same layer.
      while (!enough && !(await post(body)));
    }
  };
  t.teardown(() => {
    enough = true;
  });
  const clients = Array.from({ length: 8 }, (_, name) => client(name));
  for (const [kills, worker] of [1, 2, 1].entries()) {
    const had = stored.size;
    await eventually(async () => stored.size > had + 20);
    process.kill(Number(crew.pids().get(worker)), "SIGKILL");
    await crew.saw("stdout", listening(3 + kills));
  }
  enough = true;
  await Promise.all(clients);
  for (const body of stored) t.is((await ask(`${crew.url}/layer/${digestOf(Buffer.from(body))}`)).body, body);
  const ends = crew.lines().filter(({ msg }) => String(msg).startsWith("a worker has ended"));
  t.deepEqual(
    ends.map(({ worker, how, wait }) => [worker, how, wait]),
    [
      [1, "SIGKILL", 0],
      [2, "SIGKILL", 0],
      [1, "SIGKILL", 1000],
    ],
  );
});

test.serial(
  "on SIGTERM downloads in flight arrive whole, of every worker, then the exit code is 0",
  async (t) => {
    if (!requireTool(t, "versitygw")) return;
    const crew = await serveByTwo(t);
    // More than the kernel's buffers take while the client does not read.
    const size = 64 * MEBIBYTES;
    const posted = await ask(`${crew.url}/layer`, { method: "POST", body: new Uint8Array(size) });
    const begin = async () => {
      const sent = get(`${crew.url}${posted.headers.location}`, { agent: false });
      const [response] = (await once(sent, "response")) as [IncomingMessage];
      return response.pause();
    };
    const downloads = [await begin(), await begin()];
    crew.child.kill("SIGTERM");
    await crew.saw("stdout", /"msg":"stopping/);
    await eventually(
      async () =>
        !(await ask(`${crew.url}/healthz`).then(
          () => true,
          () => false,
        )),
    );
    for (const download of downloads) {
      let received = 0;
      for await (const chunk of download) received += (chunk as Buffer).length;
      t.is(received, size);
    }
    const { code, stdout } = await crew.ended;
    t.is(code, 0);
    const served = stdout.split("\n").filter((line) => line.includes(`"bytes":${size}`));
    t.deepEqual(served.map((line) => JSON.parse(line).worker).sort(), [1, 2]);
  },
);

test.serial("a worker that cannot be started is started later, and the others serve", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { child, url, pids, saw } = await serveByTwo(t);
  // Of util-linux, which every Debian has.
  const descriptors = (most: number) => execFileSync("prlimit", [`--pid=${child.pid}`, `--nofile=${most}:`]);
  const killed = pids().get(1) ?? t.fail();
  descriptors((await readdir(`/proc/${child.pid}/fd`)).length - 2);
  process.kill(killed, "SIGKILL");
  await saw("stdout", /a worker could not start: [^\n]*EMFILE/);
  descriptors(1000);
  await eventually(async () => pids().get(1) !== killed);
  t.is((await ask(`${url}/healthz`)).status, 200);
});

test.serial("a worker that is told to end while it starts does", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { child, pids, ended } = await serveByTwo(t);
  const processes = async () =>
    (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")).trim().split(" ").map(Number);
  const first = await processes();
  process.kill(pids().get(1) ?? t.fail(), "SIGKILL");
  await eventually(async () => (await processes()).some((pid) => !first.includes(pid)));
  child.kill("SIGTERM");
  t.is((await ended).code, 0);
});

test.serial("a second signal ends all of them at once", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const crew = await serveByTwo(t);
  const posted = await ask(`${crew.url}/layer`, { method: "POST", body: new Uint8Array(64 * MEBIBYTES) });
  const sent = get(`${crew.url}${posted.headers.location}`, { agent: false });
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.on("error", () => undefined).pause();
  const pids = crew.pids();
  crew.child.kill("SIGINT");
  await crew.saw("stdout", /"msg":"stopping/);
  crew.child.kill("SIGINT");
  t.is((await crew.ended).code, 1);
  await eventually(async () => ![...pids.values()].some(isRunning));
});

test.serial("a signal to all processes, as a terminal sends it, lets requests finish too", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const crew = await serveByTwo(t);
  for (const pid of crew.pids().values()) process.kill(pid, "SIGINT");
  t.is((await ask(`${crew.url}/healthz`)).status, 200);
  t.is((await ask(`${crew.url}/healthz`)).status, 200);
  crew.child.kill("SIGINT");
  t.is((await crew.ended).code, 0);
});

test.serial("workers do not outlive the process that has started them", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const crew = await serveByTwo(t);
  const pids = crew.pids();
  t.is(pids.size, 2);
  crew.child.kill("SIGKILL");
  await crew.ended;
  await eventually(async () => ![...pids.values()].some(isRunning));
});

const HEALTH = 'layerd_http_requests_total{method="GET",route="health",status="200"}';

async function metricsOf(crew: Crew): Promise<() => Promise<Samples>> {
  const [, url = ""] = await crew.saw("stderr", /metrics +(http:\/\/127\.0\.0\.1:\d+\/metrics)\n/);
  return async () => readExposition((await ask(url)).body);
}

test.serial("metrics are those of all workers, and no counter goes down when one dies", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const audit = join(await temporaryDirectory(t), "audit.jsonl");
  const crew = await serveByTwo(t, ["--metrics-port", "0", "--audit-log", audit]);
  const read = await metricsOf(crew);
  for (let n = 0; n < 10; n += 1) await ask(`${crew.url}/healthz`);
  await ask(`${crew.url}/v2/team/app/blobs/uploads/`, { method: "POST" });
  await eventually(async () => (await read()).get(HEALTH) === 10);
  const samples = await read();
  // What all workers see is there once.
  t.is(samples.get('layerd_upload_sessions{state="begun"}'), 1);
  t.is(samples.get("layerd_quarantine_blobs"), 0);
  t.is(samples.get("layerd_audit_lost_lines_total"), 0);
  t.is([...samples.keys()].filter((name) => name.startsWith("layerd_build_info")).length, 1);
  t.is([...samples].find(([name]) => name.startsWith("layerd_build_info"))?.[1], 1);
  for (const name of ["process_resident_memory_bytes", "nodejs_eventloop_lag_p99_seconds"]) {
    t.true(samples.has(name), name);
  }
  t.true((samples.get("layerd_network_received_bytes_total") ?? 0) > 0);

  process.kill(Number(crew.pids().get(1)), "SIGKILL");
  await crew.saw("stdout", listening(3));
  await ask(`${crew.url}/healthz`);
  await eventually(async () => (await read()).get(HEALTH) === 11);
});

test.serial("a port that is taken is the sentence of one process", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  t.teardown(() => other.close());
  const { port } = other.address() as AddressInfo;
  const args = ["serve", ...(await sharedStore()), "--port", String(port), "--workers", "2"];
  t.deepEqual(await run(t, args), {
    code: 1,
    stdout: "",
    stderr: `layerd: port ${port} of 127.0.0.1 is taken by another program; --port chooses another, 0 any free one\n`,
  });
});

test.serial("what keeps one process from starting is said once, and with its exit code", async (t) => {
  const index = ["--index", "postgres://nobody@127.0.0.1:1/nothing", "--blobs", "s3://layers"];
  const nowhere = join(await temporaryDirectory(t), "nowhere", "audit.jsonl");
  for (const wrong of [index, [...index, "--tls-cert", "cert.pem"], [...index, "--audit-log", nowhere]]) {
    const args = ["serve", "--port", "0", ...wrong];
    const alone = await run(t, args);
    t.deepEqual(await run(t, [...args, "--workers", "2"]), alone);
    t.is(alone.stderr.split("\n").length, 2, alone.stderr);
  }
});

test.serial("the audit log is one file, whose rotation loses and tears no line", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const directory = await temporaryDirectory(t);
  const path = join(directory, "audit.jsonl");
  const flags = ["--audit-log", path, "--audit-log-size", "2000", "--audit-log-files", "1000"];
  const crew = await serveByTwo(t, flags);
  const bodies = Array.from({ length: 60 }, (_, n) => `layer ${n}`);
  const post = (body: string) => ask(`${crew.url}/layer`, { method: "POST", body });
  await Promise.all(bodies.slice(0, 50).map(post));
  await rename(path, join(directory, "moved"));
  crew.child.kill("SIGHUP");
  await crew.saw("stdout", /the audit log has been opened anew/);
  await Promise.all(bodies.slice(50).map(post));
  crew.child.kill("SIGTERM");
  t.is((await crew.ended).code, 0);
  const files = await readdir(directory);
  t.true(files.length > 3);
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), "utf8")));
  const lines = texts.flatMap((text) =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  );
  t.deepEqual(
    lines.map(({ digest }) => digest).sort(),
    bodies.map((body) => digestOf(Buffer.from(body))).sort(),
  );
});
