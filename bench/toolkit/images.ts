import { randomBytes } from "node:crypto";
import { digestOf } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import type { PreparedRequest } from "./http-client.ts";
import { type RawAnswer, RawConnection } from "./raw-client.ts";

/* Images as clients push them, by the distribution API, which all registries speak. */

const CONFIG = Buffer.from(
  JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } }),
);

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** An image whose blob no server has seen. */
export interface Image {
  readonly layer: Buffer;
  readonly manifest: string;
}

/** @param size bytes of its one layer, which are random */
export function makeImage(size: number): Image {
  const layer = randomBytes(size);
  return { layer, manifest: manifestOf([describe(layer, MEDIA_TYPE.tar)]) };
}

/** A manifest of these layers; `n` makes it another one. */
export function manifestOf(layers: readonly Descriptor[], n = 0): string {
  const annotations = n === 0 ? {} : { annotations: { "org.example.number": String(n) } };
  const config = describe(CONFIG, MEDIA_TYPE.config);
  return JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers, ...annotations });
}

/** The config that all images share must be there before the first of them. */
export async function pushConfig(origin: string, repository: string): Promise<void> {
  const connection = new RawConnection(origin);
  await pushBlob(connection, repository, CONFIG);
  connection.close();
}

/** One blob, one manifest, one tag. */
export async function pushImage(
  connection: RawConnection,
  repository: string,
  { layer, manifest }: Image,
  tag: string,
): Promise<void> {
  await pushBlob(connection, repository, layer);
  const target = `/v2/${repository}/manifests/${tag}`;
  must(201, await connection.send("PUT", target, manifest, MEDIA_TYPE.manifest), target);
}

/** The same, over a connection of its own. */
export async function pushOne(origin: string, repository: string, image: Image, tag: string): Promise<void> {
  const connection = new RawConnection(origin);
  await pushImage(connection, repository, image, tag);
  connection.close();
}

export function putManifest(
  origin: string,
  repository: string,
  reference: string,
  body: string,
): PreparedRequest {
  const url = `${origin}/v2/${repository}/manifests/${reference}`;
  return { method: "PUT", url, headers: { "Content-Type": MEDIA_TYPE.manifest }, body };
}

/** distribution-spec §Pushing a blob monolithically, POST then PUT: the way that every registry takes. */
async function pushBlob(connection: RawConnection, repository: string, bytes: Buffer): Promise<void> {
  const session = `/v2/${repository}/blobs/uploads/`;
  const opened = await connection.send("POST", session);
  must(202, opened, session);
  const location = new URL(opened.header("location") ?? "", "http://any");
  location.searchParams.set("digest", digestOf(bytes));
  const target = `${location.pathname}${location.search}`;
  must(201, await connection.send("PUT", target, bytes, MEDIA_TYPE.bytes), target);
}

function must(status: number, answer: RawAnswer, target: string): void {
  if (answer.status !== status) throw new Error(`${target}: ${answer.status}, not ${status}`);
}

function describe(bytes: Buffer, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}
