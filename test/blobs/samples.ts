import { createCipheriv } from "node:crypto";
import { chmod, readdir } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import type { ExecutionContext } from "ava";
import { type FilesystemOptions, openFilesystemBlobs } from "../../src/blobs/filesystem.ts";
import type {
  BeginOptions,
  BlobHandle,
  BlobStat,
  BlobStore,
  ByteSpan,
  UploadId,
} from "../../src/blobs/port.ts";
import type { Awaitable } from "../../src/core/awaitable.ts";
import { type ErrorCode, isLayerdError, LayerdError } from "../../src/core/errors.ts";
import { openFiles, temporaryDirectory } from "../index/samples.ts";

export const KiB = 1024;
export const MiB = 1024 * KiB;

export const uploadId = (text: string): UploadId => text as UploadId;

/** Bytes that look random and are always the same for a seed. */
export function bytesOf(seed: number, size: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(seed);
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

/** A stream of the bytes in chunks of at most `size`. */
export function sourceOf(bytes: Buffer, size = 64 * KiB): Readable {
  const chunks = function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  return Readable.from(chunks(), { objectMode: false });
}

/** A stream that fails after the bytes. */
export function failingSource(bytes: Buffer, error: Error): Readable {
  const chunks = async function* () {
    yield* sourceOf(bytes);
    throw error;
  };
  return Readable.from(chunks(), { objectMode: false });
}

/** A stream that gives the bytes, and then nothing for as long as it lives. */
export function stallingSource(bytes: Buffer): Readable {
  const source = new Readable({ read: () => {} });
  source.push(bytes);
  return source;
}

export async function store(blobs: BlobStore, bytes: Buffer, options?: BeginOptions): Promise<BlobStat> {
  const upload = await blobs.begin(options);
  await upload.append(sourceOf(bytes), { at: 0 });
  return await upload.commit();
}

/** Everything that is written, as one buffer. Keeps the chunks as they come, as streams may. */
export function collector(): { readonly writable: Writable; bytes(): Buffer } {
  const chunks: Buffer[] = [];
  const writable = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      setImmediate(done);
    },
  });
  return { writable, bytes: () => Buffer.concat(chunks) };
}

export async function read(handle: BlobHandle, span?: ByteSpan): Promise<Buffer> {
  const { writable, bytes } = collector();
  await handle.send(writable, span);
  return bytes();
}

export async function readStream(stream: Readable): Promise<Buffer> {
  return Buffer.concat(await stream.toArray());
}

/** The whole blob, read and closed; fails when it is not there. */
export async function readBlob(blobs: BlobStore, digest: BlobStat["digest"]): Promise<Buffer> {
  const handle = await blobs.open(digest);
  if (handle === undefined) throw new Error(`no blob ${digest}`);
  return await read(handle).finally(() => handle.close());
}

/** Two ends of a connection over the loopback interface, destroyed with the test. */
export async function connection(t: ExecutionContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const far = connect(address.port, "127.0.0.1");
  const near = await accepted;
  server.close();
  for (const socket of [near, far]) socket.on("error", () => {});
  t.teardown(() => {
    near.destroy();
    far.destroy();
  });
  return { near, far };
}

export async function throwsCode(
  t: ExecutionContext,
  work: Awaitable<unknown>,
  code: ErrorCode,
): Promise<LayerdError> {
  const error = await t.throwsAsync(Promise.resolve(work), { instanceOf: LayerdError });
  t.true(isLayerdError(error, code), `${code} expected, not ${error.code}: ${error.message}`);
  return error;
}

/** A log that can be asked what it was told. */
export class TestLog {
  readonly warnings: { readonly about: object; readonly message: string }[] = [];

  warn(about: object, message: string): void {
    this.warnings.push({ about, message });
  }
}

/** A store in a directory of its own. Closed with the test, which fails if it leaves something open. */
export async function openStore(
  t: ExecutionContext,
  options: Partial<FilesystemOptions> = {},
): Promise<{ readonly blobs: BlobStore; readonly directory: string; again(): Promise<BlobStore> }> {
  const directory = options.directory ?? (await temporaryDirectory(t));
  const opened: BlobStore[] = [];
  const again = async () => {
    for (const blobs of opened) await blobs.close();
    const blobs = await openFilesystemBlobs({ durability: "full", minFree: 0, ...options, directory });
    opened.push(blobs);
    return blobs;
  };
  t.teardown(async () => {
    for (const blobs of opened) await blobs.close();
    const left = await openFiles(directory);
    if (left.length > 0) throw new Error(`left open: ${left.join(", ")}`);
  });
  return { blobs: await again(), directory, again };
}

/** Names of the files of uploads. */
export async function uploadFiles(directory: string): Promise<string[]> {
  return (await readdir(join(directory, "uploads"))).sort();
}

/** The bytes on disk of a blob, for spoiling them. */
export function pathOf(directory: string, digest: BlobStat["digest"]): string {
  const [algorithm = "", hex = ""] = digest.split(":");
  return join(directory, "blobs", algorithm, hex.slice(0, 2), hex);
}

/** Writes to a blob's file, which is read-only, as a failing disk might. */
export async function spoil(path: string, change: () => Promise<void>): Promise<void> {
  await chmod(path, 0o644);
  await change();
  await chmod(path, 0o444);
}
