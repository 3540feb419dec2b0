import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import pg from "pg";
import { createPostgresCatalog } from "../../src/blobs/s3/postgres-catalog.ts";
import { openS3Blobs } from "../../src/blobs/s3/store.ts";
import { collector } from "./samples.ts";

/*
 * Stores a blob of zeros in a process of its own and reads it. Prints the most memory that it has had, in bytes.
 * Arguments: the options of the store, without a catalog, as JSON; the pool's options, as JSON; bytes; whether the
 * upload can be resumed.
 */

const [options = "", pool = "", size = "", resumable = ""] = process.argv.slice(2);
const connections = new pg.Pool(JSON.parse(pool));
const blobs = await openS3Blobs({ ...JSON.parse(options), catalog: createPostgresCatalog(connections) });
const upload = await blobs.begin({ resumable: resumable === "true" });
await upload.append(zeros(Number(size)), { at: 0 });
const { digest } = await upload.commit();
const handle = await blobs.open(digest);
const sink = collector().writable;
sink._write = (_chunk, _encoding, done) => void setImmediate(done);
await handle?.send(sink);
await blobs.close();
await connections.end();
// Not `resourceUsage`: there the memory of the process that started this one counts, too.
const [, peak] = /VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
process.stdout.write(String(Number(peak) * 1024));

function zeros(bytes: number): Readable {
  const chunks = function* () {
    for (let left = bytes; left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536));
  };
  return Readable.from(chunks(), { objectMode: false });
}
