import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { AuditFile } from "../../src/audit/audit-file.ts";
import { AuditLog } from "../../src/audit/audit-log.ts";
import type { Commit } from "../../src/index/port.ts";
import { digest, LIBRARY, TestLog, tag } from "../index/samples.ts";
import { eventually } from "../tools/eventually.ts";
import { temporaryDirectory } from "../tools/server.ts";

type Write = (bytes: Buffer, at: number, length?: number) => Promise<{ bytesWritten: number }>;

/** A disk that takes so many more bytes, then none until it is emptied. */
async function fillDisk(
  t: ExecutionContext,
  room: number,
): Promise<{ empty(): void; readonly refused: number }> {
  const handle = await open("/dev/null");
  const prototype = Object.getPrototypeOf(handle) as { write: Write };
  await handle.close();
  const { write } = prototype;
  const disk = { refused: 0, empty: () => Object.assign(prototype, { write }) };
  let left = room;
  prototype.write = async function (this: FileHandle, bytes, at) {
    if (left === 0) {
      disk.refused += 1;
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    }
    const length = Math.min(left, bytes.length - at);
    left -= length;
    return await write.call(this as never, bytes, at, length);
  };
  t.teardown(disk.empty);
  return disk;
}

function commit(number: number): Commit {
  const change = { type: "tagSet", tag: tag(`v${number}`), digest: digest(number), was: null } as const;
  return { at: new Date(0).toISOString(), who: "ann", repository: LIBRARY, changes: [change] };
}

test.serial("lines wait for a disk that is full for a while, and none is lost", async (t) => {
  const path = join(await temporaryDirectory(t), "audit.jsonl");
  const trouble = new TestLog();
  const log = new AuditLog(await AuditFile.open(path, { maxSize: 1e9, keep: 1, log: trouble }));
  // In the middle of the second line.
  const disk = await fillDisk(t, 300);
  for (let number = 0; number < 5; number += 1) log.committed(commit(number));
  await eventually(async () => disk.refused > 0);
  disk.empty();
  await eventually(async () => trouble.warnings.length > 0);
  await log.close();
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  const whole = lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line).tag);
  t.deepEqual(whole, ["v0", "v1", "v2", "v3", "v4"]);
  t.is(lines.length, 6);
  t.is(log.lost, 0);
  t.is(trouble.errors.length, 1);
  t.deepEqual(trouble.warnings, ["the audit log is being written again"]);
});
