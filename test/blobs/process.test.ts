import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "ava";
import { digestOf } from "../../src/core/digest.ts";
import { temporaryDirectory } from "../index/samples.ts";
import { MiB, openStore, sourceOf, uploadId } from "./samples.ts";

/** Runs `uploader.ts`; its lines go to `onLine`, which may end the process. Resolves with the exit code. */
async function run(
  directory: string,
  args: readonly string[],
  onLine: (line: string, kill: () => void) => void,
): Promise<number | null> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "uploader.ts"), directory, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  for await (const line of createInterface({ input: child.stdout }))
    onLine(line, () => child.kill("SIGKILL"));
  return await exited;
}

async function output(directory: string, ...args: string[]): Promise<string> {
  const lines: string[] = [];
  const code = await run(directory, args, (line) => lines.push(line));
  if (code !== 0) throw new Error(`it ended with ${code}`);
  return lines.join("\n");
}

test("what counted when a process was killed in the middle of an append is there, and goes on", async (t) => {
  const directory = await temporaryDirectory(t);
  let told = 0;
  await run(directory, ["forever", "one"], (line, kill) => {
    told = Number(line);
    if (told >= 20 * MiB) kill();
  });
  const { blobs } = await openStore(t, { directory });
  const upload = (await blobs.resume(uploadId("one"))) ?? t.fail();
  t.true(upload.offset >= told, `${upload.offset} of ${told}`);
  const size = upload.offset + 5;
  await upload.append(sourceOf(Buffer.alloc(5)), { at: upload.offset });
  const { digest } = await upload.commit();
  t.is(digest, digestOf(Buffer.alloc(size)));
  await upload.cancel();
});

test("a store that is idle does not keep its process", async (t) => {
  const directory = await temporaryDirectory(t);
  t.regex(await output(directory, "once", String(3 * MiB)), /^sha256:/);
});

test("the memory that uploads take does not grow with their size", async (t) => {
  const directory = await temporaryDirectory(t);
  const small = Number(await output(directory, "many", "8", String(4 * MiB)));
  const large = Number(await output(directory, "many", "8", String(48 * MiB)));
  t.true(large - small < 120 * MiB, `${small} bytes for small ones, ${large} for large ones`);
});
