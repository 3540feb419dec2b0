import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { openFilesystemBlobs } from "../../src/blobs/filesystem.ts";
import type { UploadId } from "../../src/blobs/port.ts";

/*
 * A process of its own that stores blobs and does not close the store: `node uploader.ts DIRECTORY WORK`.
 *   forever ID      appends to one upload without end, a line of output for each megabyte that counts
 *   once BYTES      stores one blob, and ends as soon as nothing keeps it
 *   many COUNT BYTES   stores so many blobs at the same time, then prints the most memory that was resident
 */
const [directory = "", work, ...args] = process.argv.slice(2);
const MiB = 1024 * 1024;
const blobs = await openFilesystemBlobs({ directory, durability: "os", minFree: 0 });

/** Zeros in memory that is new for each chunk, as it is when they come from a network. */
function zeros(size: number): Readable {
  const chunks = function* () {
    for (let left = size; left > 0; left -= 64 * 1024) yield Buffer.alloc(Math.min(left, 64 * 1024));
  };
  return Readable.from(chunks(), { objectMode: false });
}

async function forever(id: string): Promise<void> {
  const upload = await blobs.begin({ id: id as UploadId, resumable: true });
  let told = 0;
  setInterval(() => {
    for (; told + MiB <= upload.offset; told += MiB) process.stdout.write(`${told + MiB}\n`);
  }, 1);
  await upload.append(zeros(Number.MAX_SAFE_INTEGER), { at: 0 });
}

async function once(size: number): Promise<void> {
  const upload = await blobs.begin();
  await upload.append(zeros(size), { at: 0 });
  const { digest } = await upload.commit();
  process.stdout.write(`${digest}\n`);
}

async function many(count: number, size: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const upload = await blobs.begin();
      await upload.append(zeros(size), { at: 0 });
      await upload.cancel();
    }),
  );
  // Not `resourceUsage`: there the memory of the process that started this one counts, too.
  const [, peak] = /VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  process.stdout.write(`${Number(peak) * 1024}\n`);
}

if (work === "forever") await forever(args[0] ?? "");
if (work === "once") await once(Number(args[0]));
if (work === "many") await many(Number(args[0]), Number(args[1]));
