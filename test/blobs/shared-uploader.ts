import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { openFilesystemBlobs } from "../../src/blobs/filesystem.ts";
import type { UploadId } from "../../src/blobs/port.ts";
import { PostgresLocks } from "../../src/cluster/postgres/locks.ts";
import { Session } from "../../src/postgres/session.ts";
import { prefixed } from "./prefixed-locks.ts";

/*
 * A process of its own that appends zeros to one upload without end, a line of output for each megabyte that counts,
 * and says why it has ended: `node shared-uploader.ts DIRECTORY DATABASE PREFIX ID`.
 */

const [directory = "", url = "", prefix = "", id = ""] = process.argv.slice(2);
const MiB = 1024 * 1024;
const session = new Session({ url, onLost: () => undefined });
const locks = prefixed(new PostgresLocks(session), prefix);
const blobs = await openFilesystemBlobs({ directory, durability: "full", minFree: 0, locks });
const upload = await blobs.begin({ id: id as UploadId, resumable: true });
let told = 0;
const telling = setInterval(() => {
  for (; told + MiB <= upload.offset; told += MiB) process.stdout.write(`${told + MiB}\n`);
}, 1);
try {
  await upload.append(zeros(), { at: 0 });
} catch (error) {
  process.stdout.write(`${(error as Error).message}\n`);
}
clearInterval(telling);
await blobs.close();
await session.close();

/** Not so fast that a disk fills. */
function zeros(): Readable {
  const chunks = async function* () {
    for (let sent = 0; ; sent += MiB) {
      yield Buffer.alloc(MiB);
      await delay(sent < 64 * MiB ? 1 : 20);
    }
  };
  return Readable.from(chunks(), { objectMode: false });
}
