import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import pg from "pg";
import { type SyntheticLayer, SyntheticLayers } from "../toolkit/content.ts";
import { peakMemory } from "../toolkit/proc.ts";

/*
 * Uploads one blob to S3 in a process of its own, after a smaller one: `s3-uploader.ts WAY SETTING`, where SETTING is an `S3Setting` as
 * JSON. Prints an `S3Result` as JSON.
 */

/** `sdk`: a multipart upload by the AWS SDK alone. The others: layerd's driver, an upload of that kind. */
export type S3Way = "sdk" | "plain" | "resumable";

export interface S3Setting {
  /** layerd's entry file; the driver is beside it. */
  readonly layerd: string;
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Of the catalog. */
  readonly database: string;
  /** Bytes, a whole number of parts. */
  readonly size: number;
}

export interface S3Result {
  readonly seconds: number;
  /** MB, in the whole life of the process. */
  readonly memory: number;
  /** Bytes that went to S3, by all connections. */
  readonly sent: number;
}

const REGION = "us-east-1";
// As the driver has it.
const PART = 8 * 1024 * 1024;
const AT_ONCE = 3;
// Bytes: what a connection gives at a time, and what a layer comes in.
const CHUNK = 64 * 1024;
const BLOCK = 1024 * 1024;
const WARM_UP = 64 * 1024 * 1024;

interface Uploader {
  upload(layer: SyntheticLayer): Promise<void>;
  close(): Promise<void>;
}

/** All parts are one piece of memory: there is nothing to do but sign and send. */
function createSdkUploader({ endpoint, bucket }: S3Setting): Uploader {
  // The checksum that it would add is not needed: every part is signed with its SHA-256, like the driver's.
  const client = new S3Client({
    region: REGION,
    endpoint,
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  const upload = async (layer: SyntheticLayer) => {
    const place = { Bucket: bucket, Key: layer.digest };
    const body = Buffer.concat([...layer.chunks()].slice(0, PART / BLOCK));
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(place));
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    const numbers = Array.from({ length: layer.size / PART }, (_, i) => i + 1).values();
    const worker = async () => {
      for (const PartNumber of numbers) {
        const part = { ...place, UploadId, PartNumber, Body: body };
        const { ETag } = await client.send(new UploadPartCommand(part));
        parts.push({ PartNumber, ETag });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const Parts = parts.toSorted((a, b) => a.PartNumber - b.PartNumber);
    await client.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts } }));
  };
  return { upload, close: async () => client.destroy() };
}

async function createDriverUploader(setting: S3Setting, resumable: boolean): Promise<Uploader> {
  const { openS3Blobs, createPostgresCatalog } = await importDriver(setting.layerd);
  const pool = new pg.Pool({ connectionString: setting.database });
  const { endpoint, bucket } = setting;
  const where = { endpoint, bucket, region: REGION, forcePathStyle: true };
  const blobs = await openS3Blobs({ ...where, catalog: createPostgresCatalog(pool) });
  const upload = async (layer: SyntheticLayer) => {
    const upload = await blobs.begin({ resumable });
    await upload.append(Readable.from(small(layer), { objectMode: false }), { at: 0 });
    const { digest } = await upload.commit();
    if (digest !== layer.digest) throw new Error(`${digest} was stored, ${layer.digest} was sent`);
  };
  return { upload, close: () => blobs.close().finally(() => pool.end()) };
}

async function importDriver(layerd: string) {
  const beside = (file: string) => import(new URL(`../blobs/s3/${file}`, pathToFileURL(layerd)).href);
  const store: typeof import("../../src/blobs/s3/store.ts") = await beside("store.js");
  const catalog: typeof import("../../src/blobs/s3/postgres-catalog.ts") =
    await beside("postgres-catalog.js");
  return { ...store, ...catalog };
}

function* small(layer: SyntheticLayer): Iterable<Buffer> {
  for (const block of layer.chunks()) {
    for (let at = 0; at < block.length; at += CHUNK) yield block.subarray(at, at + CHUNK);
  }
}

/** Has the bytes counted that go to a port from now on. */
function countBytes(port: number): () => number {
  const sockets: Socket[] = [];
  let ended = 0;
  subscribe("net.client.socket", (message) => {
    const { socket } = message as { readonly socket: Socket };
    sockets.push(socket);
    socket.once("connect", () => {
      if (socket.remotePort === port) return void socket.once("close", () => add(socket));
      sockets.splice(sockets.indexOf(socket), 1);
    });
  });
  const add = (socket: Socket) => {
    ended += socket.bytesWritten;
    sockets.splice(sockets.indexOf(socket), 1);
  };
  return () => sockets.reduce((sum, socket) => sum + socket.bytesWritten, ended);
}

const [way, json = ""] = process.argv.slice(2);
const setting: S3Setting = JSON.parse(json);
Object.assign(process.env, {
  AWS_ACCESS_KEY_ID: setting.accessKey,
  AWS_SECRET_ACCESS_KEY: setting.secretKey,
});
const sent = countBytes(Number(new URL(setting.endpoint).port));
const uploader =
  way === "sdk" ? createSdkUploader(setting) : await createDriverUploader(setting, way === "resumable");
// A server that is asked for the first time compiles and starts threads.
await uploader.upload(new SyntheticLayers(WARM_UP).next());
const layer = new SyntheticLayers(setting.size).next();
const before = sent();
const started = performance.now();
await uploader.upload(layer);
const seconds = (performance.now() - started) / 1000;
await uploader.close();
const result: S3Result = { seconds, memory: peakMemory(process.pid), sent: sent() - before };
process.stdout.write(JSON.stringify(result));
