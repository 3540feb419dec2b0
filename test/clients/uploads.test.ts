import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { startServer, storedBlobs, temporaryDirectory, unfinishedUploads } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";

const run = promisify(execFile);
const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function withFile(t: ExecutionContext, size: number) {
  const server = await startServer(t);
  const bytes = randomBytes(size);
  const file = join(await temporaryDirectory(t), "layer.bin");
  await writeFile(file, bytes);
  return { ...server, bytes, file, address: `${server.url}/layer/${digestOf(bytes)}` };
}

async function curl(...args: string[]): Promise<{ status: number; body: string }> {
  const { stdout } = await run("curl", ["-s", "-w", "\n%{http_code}", ...args]);
  const at = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
}

test("curl stores a file in each of the ways that its users know", async (t) => {
  if (!requireTool(t, "curl")) return;
  const { url, file, bytes } = await withFile(t, 1_500_000);
  for (const how of [
    ["-X", "POST", "-T", file],
    ["--data-binary", `@${file}`],
    ["-F", `file=@${file}`],
  ]) {
    const { status, body } = await curl(...how, `${url}/layer`);
    t.is(status, 201, how.join(" "));
    t.true(body.includes(digestOf(bytes)));
  }
  const put = await curl("-T", file, `${url}/layer/${digestOf(bytes)}`);
  t.is(put.status, 200);
});

test("curl -C OFFSET -T FILE goes on where an upload was cut", async (t) => {
  if (!requireTool(t, "curl")) return;
  const { address, bytes, file, data } = await withFile(t, 20_000_000);
  const first = spawn("curl", ["-s", "--limit-rate", "10M", "-T", file, address]);
  const exited = new Promise((resolve) => first.once("exit", resolve));
  await new Promise((resolve) => setTimeout(resolve, 700));
  first.kill("SIGKILL");
  await exited;
  const head = await curl("-I", address);
  t.is(head.status, 404);
  const offset = Number(/upload-offset: (\d+)/i.exec(head.body)?.[1]);
  t.true(offset > 0 && offset < bytes.length, String(offset));
  const { status } = await curl("-C", String(offset), "-T", file, address);
  t.is(status, 201);
  t.is((await storedBlobs(data)).length, 1);
  t.deepEqual(await unfinishedUploads(data), []);
  t.is(digestOf(Buffer.from(await (await fetch(address)).arrayBuffer())), digestOf(bytes));
});
