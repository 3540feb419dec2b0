import { statfs } from "node:fs/promises";

/* What is counted only when somebody asks. */

export async function countOf(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of items) count += 1;
  return count;
}

export async function sumOf(items: AsyncIterable<{ readonly size: number }>) {
  const sum = { blobs: 0, bytes: 0 };
  for await (const { size } of items) {
    sum.blobs += 1;
    sum.bytes += size;
  }
  return sum;
}

export async function diskOf(path: string): Promise<{ free: number; size: number }> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { free: bavail * bsize, size: blocks * bsize };
}
