import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { dirname, join } from "node:path";
import { type ConnectionOptions, connect } from "node:tls";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { eventually } from "../tools/eventually.ts";
import { storedBlobs, unfinishedUploads } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";
import { type SecureServer, startSecureServer } from "./h2-server.ts";

const tools = (t: ExecutionContext) => requireTool(t, "openssl") && requireTool(t, "curl");

/** Runs curl, and returns what it printed. */
async function curl({ cert }: SecureServer, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("curl", ["-sS", "--cacert", cert, ...args]);
  return stdout;
}

const OUTCOME = "%{http_version} %{response_code}";

for (const [flag, version] of [
  ["--http2", "2"],
  ["--http1.1", "1.1"],
] as const) {
  test(`curl ${flag} sends a layer and reads it back`, async (t) => {
    if (!tools(t)) return;
    const to = await startSecureServer(t);
    const bytes = randomBytes(20_000_000);
    const id = createHash("sha256").update(bytes).digest("hex");
    const [file, copy] = [join(dirname(to.cert), "file"), join(dirname(to.cert), "copy")];
    await writeFile(file, bytes);
    const quiet = [flag, "-o", copy, "-w", OUTCOME];
    t.is(await curl(to, ...quiet, "-X", "POST", "-T", file, `${to.url}/layer`), `${version} 201`);
    t.is(await curl(to, ...quiet, `${to.url}/layer/${id}`), `${version} 200`);
    t.true((await readFile(copy)).equals(bytes));
    await writeFile(copy, bytes.subarray(0, 7_000_000));
    t.is(await curl(to, ...quiet, "-C", "-", `${to.url}/layer/${id}`), `${version} 206`);
    t.true((await readFile(copy)).equals(bytes));
    t.is(await curl(to, ...quiet, "-F", `a=@${file}`, `${to.url}/layer`), `${version} 201`);
    t.deepEqual(to.errors, []);
  });

  test(`curl ${flag} reads why its body is refused`, async (t) => {
    if (!tools(t)) return;
    const to = await startSecureServer(t, { maxLayerSize: 1000 });
    const file = join(dirname(to.cert), "file");
    await writeFile(file, randomBytes(10_000_000));
    const post = [flag, "-w", OUTCOME, "-X", "POST", `${to.url}/layer`];
    const announced = await curl(to, ...post, "-T", file);
    const chunked = await curl(to, ...post, "-T", file, "-H", "Transfer-Encoding: chunked");
    const coded = await curl(to, ...post, "-T", file, "-H", "Content-Encoding: gzip");
    t.regex(announced, new RegExp(`"errors".*${version} 413$`, "s"));
    t.regex(chunked, new RegExp(`"errors".*${version} 413$`, "s"));
    t.regex(coded, new RegExp(`"errors".*${version} 415$`, "s"));
  });

  test(`curl ${flag} that is ended in the middle of an upload leaves nothing behind`, async (t) => {
    if (!tools(t)) return;
    const to = await startSecureServer(t);
    // From a pipe: the length is announced by nobody.
    const args = [flag, "-sS", "--cacert", to.cert, "-X", "POST", "-T", "-", `${to.url}/layer`];
    const child = spawn("curl", args, { stdio: ["pipe", "ignore", "ignore"] });
    child.stdin.on("error", () => undefined).write(randomBytes(2_000_000));
    await eventually(async () => (await unfinishedUploads(to.data)).length === 1);
    child.kill("SIGKILL");
    await eventually(async () => (await unfinishedUploads(to.data)).length === 0);
    t.deepEqual(await storedBlobs(to.data), []);
    await eventually(async () => to.lines.length === 1);
    t.true(to.lines[0]?.aborted);
    t.deepEqual(to.errors, []);
  });
}

/** All that comes back on a connection of HTTP/1.1 over TLS. */
async function sendRaw(
  { port, ca }: SecureServer,
  text: string,
  options: ConnectionOptions = {},
): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", ca, ALPNProtocols: ["http/1.1"], ...options });
  let seen = "";
  socket.on("data", (chunk: Buffer) => {
    seen += chunk.toString("latin1");
  });
  socket.write(text);
  await Promise.race([once(socket, "close"), once(socket, "error")]);
  return seen;
}

test("what is no HTTP gets an answer", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  t.regex(await sendRaw(to, "GARBAGE\r\n\r\n"), /^HTTP\/1\.1 400 .*REQUEST_INVALID/s);
  t.regex(
    await sendRaw(to, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
    /^HTTP\/1\.1 400 .*names no Host/s,
  );
});

test("TLS before 1.2 is not spoken", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const to = await startSecureServer(t);
  const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
  const socket = connect({ port: to.port, host: "127.0.0.1", ca: to.ca, ...old });
  await t.throwsAsync(once(socket, "secureConnect"));
});

test("a client that speaks no TLS is cut off, and hurts nobody", async (t) => {
  if (!tools(t)) return;
  const to = await startSecureServer(t);
  await t.throwsAsync(once(get(`http://127.0.0.1:${to.port}/healthz`), "response"));
  t.is(await curl(to, "-o", "/dev/null", "-w", OUTCOME, `${to.url}/healthz`), "2 200");
  t.deepEqual(to.errors, []);
});

test("the index names an address that curl can use", async (t) => {
  if (!tools(t)) return;
  const to = await startSecureServer(t);
  t.true((await curl(to, `${to.url}/`)).includes(`${to.url}/layer`));
});
