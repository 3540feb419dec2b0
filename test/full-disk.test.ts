import { createHash } from "node:crypto";
import { open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { bytesOf, MiB } from "./blobs/samples.ts";
import { serve } from "./cli/command.ts";
import { eventually } from "./tools/eventually.ts";
import { json } from "./tools/json.ts";
import { smallDisk } from "./tools/small-disk.ts";

/* A real server on a real disk that is full. */

const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Somebody else fills the disk, to the last byte. */
async function fillUp(path: string): Promise<void> {
  const file = await open(path, "w");
  for (const size of [MiB, 4096, 1]) {
    const bytes = Buffer.alloc(size, 1);
    for (let full = false; !full; ) {
      full = await file.write(bytes).then(
        ({ bytesWritten }) => bytesWritten < size,
        () => true,
      );
    }
  }
  await file.close();
}

async function free(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

test("a disk filled by uploads, then by a stranger: reads and deletes go on, and room comes back by itself", async (t) => {
  const disk = await smallDisk(t, 64 * MiB);
  if (disk === undefined) return;
  const gc = ["--gc-interval", "200ms", "--gc-grace", "1ms", "--trash-ttl", "24h"];
  const { url } = await serve(t, ["--data", join(disk, "data"), "--min-free", "8MiB", ...gc]);
  const upload = (bytes: Buffer) =>
    fetch(`${url}/v2/team/app/blobs/uploads/?digest=${sha256(bytes)}`, { method: "POST", body: bytes });
  const post = (bytes: Buffer) => fetch(`${url}/layer`, { method: "POST", body: bytes });

  const kept: Buffer[] = [];
  for (let seed = 1; ; seed += 1) {
    const bytes = bytesOf(seed, 4 * MiB);
    const answer = await post(bytes);
    if (answer.status === 507) {
      t.is((await json(answer)).errors[0].code, "STORE_FULL");
      break;
    }
    t.is(answer.status, 201);
    kept.push(bytes);
  }
  t.true(kept.length >= 8, String(kept.length));

  await fillUp(join(disk, "stranger"));
  t.is(await free(disk), 0);
  t.is((await upload(bytesOf(99, 1000))).status, 507);
  t.is((await post(bytesOf(98, 10))).status, 507);
  for (const bytes of kept) {
    const answer = await fetch(`${url}/layer/${sha256(bytes)}`);
    t.true(Buffer.from(await answer.arrayBuffer()).equals(bytes));
  }
  const [gone, ...others] = kept;
  // A line of the journal is needed for each, and there is no byte left but the reserve.
  for (const bytes of [gone, others.pop()]) {
    const answer = await fetch(`${url}/layer/${sha256(bytes ?? t.fail())}`, { method: "DELETE" });
    t.is(answer.status, 204, await answer.text());
  }
  // Garbage collection takes them, and the trash is emptied because there is too little room.
  await eventually(async () => (await free(disk)) >= 7 * MiB);
  await eventually(async () => (await post(bytesOf(97, 10))).status === 201);

  await rm(join(disk, "stranger"));
  await eventually(async () => (await post(bytesOf(96, 2 * MiB))).status === 201);
  for (const bytes of others) {
    const answer = await fetch(`${url}/layer/${sha256(bytes)}`);
    t.true(Buffer.from(await answer.arrayBuffer()).equals(bytes));
  }
});
