import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import test from "ava";
import { temporaryDirectory } from "../tools/server.ts";
import { run, serve } from "./command.ts";

test("the banner names the address, the data directory and two curl lines, plainly", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const { url, child, saw, ended } = await serve(t, ["--data", data]);
  await saw("stderr", /\n {4}curl .*\n/);
  child.kill();
  const { stderr } = await ended;
  t.regex(stderr, new RegExp(`^\\nlayerd \\d.* ${url}\\n`));
  t.true(stderr.includes(`  data        ${data}\n`));
  t.true(stderr.includes("  durability  full: "));
  t.is(stderr.split("\n").filter((line) => /\bcurl\b/.test(line) && line.includes(url)).length, 2);
  t.false(stderr.includes("\u001b"));
});

test("the curl lines of the banner work as they are", async (t) => {
  const { url } = await serve(t, ["--memory"]);
  const posted = await fetch(`${url}/layer`, {
    method: "POST",
    body: "hello\n",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  });
  t.is(posted.status, 201);
  t.is((await fetch(`${url}/layer`)).status, 200);
});

test("a server that others can reach says so", async (t) => {
  const { saw, url } = await serve(t, ["--memory", "--host", "0.0.0.0"]);
  t.true(url.startsWith("http://127.0.0.1:"));
  await t.notThrowsAsync(saw("stderr", /everybody who can reach this address/));
});

test("where there is no terminal the log is JSON, a line a request", async (t) => {
  const { url, child, saw, ended } = await serve(t, ["--memory"]);
  await fetch(`${url}/healthz?x=1`);
  await saw("stdout", /"msg":"request"/);
  child.kill();
  const lines = (await ended).stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.deepEqual(
    lines.map(({ msg }) => msg),
    ["listening", "request", "stopping: requests in flight may finish", "stopped"],
  );
  const [, request] = lines;
  t.like(request, { level: "info", method: "GET", path: "/healthz?x=1", status: 200 });
  t.is(typeof request.id, "string");
  t.true(request.bytes > 0 && request.ms > 0);
});

test("--log-format pretty is for people", async (t) => {
  const { url, saw } = await serve(t, ["--memory", "--log-format", "pretty"]);
  await fetch(`${url}/healthz`);
  await t.notThrowsAsync(saw("stdout", /INFO: 200 GET \/healthz {2}\d+ bytes, [\d.]+ ms\n/));
});

test("--log-level silent logs nothing", async (t) => {
  const { url, child, ended } = await serve(t, ["--memory", "--log-level", "silent"]);
  await fetch(`${url}/healthz`);
  child.kill();
  t.like(await ended, { code: 0, stdout: "" });
});

test("a store in memory touches no disk", async (t) => {
  const cwd = await temporaryDirectory(t);
  const { url } = await serve(t, ["--memory"], { cwd });
  t.is((await fetch(`${url}/layer`, { method: "POST", body: "hello" })).status, 201);
  t.deepEqual(await readdir(cwd), []);
});

test("a path that is nobody's gets an error in JSON", async (t) => {
  const { url } = await serve(t, ["--memory"]);
  const response = await fetch(`${url}/nothing`);
  t.is(response.status, 404);
  t.like(await response.json(), { errors: [{ code: "NOT_FOUND" }] });
});

test("a port that is taken is one sentence", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  t.teardown(() => other.close());
  const { port } = other.address() as AddressInfo;
  t.deepEqual(await run(t, ["serve", "--memory", "--port", String(port)]), {
    code: 1,
    stdout: "",
    stderr: `layerd: port ${port} of 127.0.0.1 is taken by another program; --port chooses another, 0 any free one\n`,
  });
});

test("an address of another machine is one sentence", async (t) => {
  // RFC 5737: addresses for documentation.
  const { code, stderr } = await run(t, ["serve", "--memory", "--port", "0", "--host", "192.0.2.1"]);
  t.is(code, 1);
  t.is(stderr, "layerd: 192.0.2.1 is not an address of this machine; 0.0.0.0 listens on all of them\n");
});

test("a data directory that cannot be is one sentence", async (t) => {
  const file = join(await temporaryDirectory(t), "file");
  await writeFile(file, "");
  for (const data of [file, join(file, "data")]) {
    const { code, stdout, stderr } = await run(t, ["serve", "--port", "0", "--data", data]);
    t.is(code, 1);
    t.is(stdout, "");
    t.true(stderr.startsWith(`layerd: the data directory ${data} cannot be written: `), stderr);
    t.is(stderr.split("\n").length, 2);
  }
});

test("a second server on the same data is told who has it", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const { child } = await serve(t, ["--data", data]);
  const { code, stderr } = await run(t, ["serve", "--port", "0", "--data", data]);
  t.is(code, 1);
  t.regex(
    stderr,
    new RegExp(`^layerd: the data directory ${data} is in use by process ${child.pid} [^\\n]*\\n$`),
  );
});

test("on SIGTERM a download in flight arrives whole, then the exit code is 0", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const { url, child, saw, ended } = await serve(t, ["--data", data]);
  // More than the kernel's buffers take while the client does not read.
  const size = 64 * 1024 * 1024;
  const posted = await fetch(`${url}/layer`, { method: "POST", body: new Uint8Array(size) });
  const [response] = await once(get(`${url}${posted.headers.get("location")}`), "response");
  const download = response as IncomingMessage;
  download.pause();
  child.kill("SIGTERM");
  await saw("stdout", /"msg":"stopping/);
  await t.throwsAsync(fetch(`${url}/healthz`));
  let received = 0;
  for await (const chunk of download) received += (chunk as Buffer).length;
  t.is(received, size);
  t.is((await ended).code, 0);
});

test("a second signal ends it at once", async (t) => {
  const { url, child, saw, ended } = await serve(t, ["--memory"]);
  const posted = await fetch(`${url}/layer`, { method: "POST", body: new Uint8Array(64 * 1024 * 1024) });
  const [response] = await once(get(`${url}${posted.headers.get("location")}`), "response");
  (response as IncomingMessage).on("error", () => undefined).pause();
  child.kill("SIGINT");
  await saw("stdout", /"msg":"stopping/);
  child.kill("SIGINT");
  t.is((await ended).code, 1);
});

test("an error that nobody caught is logged and ends the process", async (t) => {
  const trap = "process.on('SIGUSR2', () => { throw new Error('a fault') })";
  const options = { node: [`--import=data:text/javascript,${encodeURIComponent(trap)}`] };
  const { child, ended } = await serve(t, ["--memory"], options);
  child.kill("SIGUSR2");
  const { code, stdout } = await ended;
  t.is(code, 1);
  t.like(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""), {
    level: "fatal",
    err: { message: "a fault" },
  });
});

test("it goes on serving when nobody reads the log any more", async (t) => {
  const { url, child } = await serve(t, ["--memory"]);
  child.stdout?.destroy();
  const wanted = 200;
  let answered = 0;
  for (let n = 0; n < wanted; n += 1) answered += (await fetch(`${url}/healthz`)).ok ? 1 : 0;
  t.is(answered, wanted);
});
