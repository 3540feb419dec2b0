import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { startServer, temporaryDirectory } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";

const run = promisify(execFile);
const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function withLayer(t: ExecutionContext, size: number) {
  const server = await startServer(t);
  const directory = await temporaryDirectory(t);
  const bytes = randomBytes(size);
  const posted = await fetch(`${server.url}/layer`, { method: "POST", body: bytes });
  const address = `${server.url}${posted.headers.get("location")}`;
  return { ...server, address, bytes, directory, file: join(directory, "got") };
}

test("curl -C - finishes a download that broke off", async (t) => {
  if (!requireTool(t, "curl")) return;
  const { address, bytes, file } = await withLayer(t, 5_000_000);
  await writeFile(file, bytes.subarray(0, 1_234_567));
  await run("curl", ["-sf", "-C", "-", "-o", file, address]);
  t.is(digestOf(await readFile(file)), digestOf(bytes));
});

test("curl -r reads any part", async (t) => {
  if (!requireTool(t, "curl")) return;
  const { address, bytes } = await withLayer(t, 300_000);
  for (const [range, start, end] of [
    ["0-99", 0, 100],
    ["299990-", 299_990, 300_000],
    ["-50", 299_950, 300_000],
    ["100-299999", 100, 300_000],
  ] as const) {
    const { stdout } = await run("curl", ["-sf", "-r", range, address], {
      encoding: "buffer",
      maxBuffer: 1 << 20,
    });
    t.true(stdout.equals(bytes.subarray(start, end)), range);
  }
});

test("wget -c finishes a download that broke off", async (t) => {
  if (!requireTool(t, "wget")) return;
  const { address, bytes, file } = await withLayer(t, 5_000_000);
  await writeFile(file, bytes.subarray(0, 2_000_000));
  await run("wget", ["-q", "-c", "-O", file, address]);
  t.is((await stat(file)).size, bytes.length);
  t.is(digestOf(await readFile(file)), digestOf(bytes));
});

test("aria2c -x8 downloads in eight parts at once", async (t) => {
  if (!requireTool(t, "aria2c")) return;
  const { address, bytes, directory, file } = await withLayer(t, 24_000_000);
  const options = [
    "-q",
    "-x8",
    "-s8",
    "-k1M",
    "--file-allocation=none",
    "--no-conf",
    "-d",
    directory,
    "-o",
    "got",
  ];
  await run("aria2c", [...options, address]);
  t.is(digestOf(await readFile(file)), digestOf(bytes));
});

test("a download that is cut off leaves the server as it was", async (t) => {
  if (!requireTool(t, "curl")) return;
  const { address, bytes, file } = await withLayer(t, 30_000_000);
  const curl = spawn("curl", ["-s", "--limit-rate", "2M", "-o", file, address]);
  const exited = new Promise((resolve) => curl.once("exit", resolve));
  while (((await stat(file).catch(() => undefined))?.size ?? 0) < 100_000) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  curl.kill("SIGKILL");
  await exited;
  const { size } = await stat(file);
  t.true(size < bytes.length);
  await truncate(file, size - 1000);
  await run("curl", ["-sf", "-C", "-", "-o", file, address]);
  t.is(digestOf(await readFile(file)), digestOf(bytes));
});
