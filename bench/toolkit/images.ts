import { randomBytes } from "node:crypto";
import type http from "node:http";
import { digestOf } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import { expect, type PreparedRequest, send } from "./http-client.ts";

/* Images as clients push them, by the distribution API, which all registries speak. */

const BYTES = { "Content-Type": "application/octet-stream" };
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
  await pushBlob(origin, repository, CONFIG);
}

/** One blob, one manifest, one tag. */
export async function pushImage(
  place: { readonly origin: string; readonly repository: string },
  image: Image,
  tag: string,
  agent?: http.Agent,
): Promise<void> {
  await pushBlob(place.origin, place.repository, image.layer, agent);
  const request = putManifest(place.origin, place.repository, tag, image.manifest);
  expect(201, request, await send(request, agent));
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
async function pushBlob(
  origin: string,
  repository: string,
  bytes: Buffer,
  agent?: http.Agent,
): Promise<void> {
  const begin = { method: "POST", url: `${origin}/v2/${repository}/blobs/uploads/` };
  const session = await send(begin, agent);
  expect(202, begin, session);
  const url = new URL(session.headers.location ?? "", origin);
  url.searchParams.set("digest", digestOf(bytes));
  const finish = { method: "PUT", url: url.href, headers: BYTES, body: bytes };
  expect(201, finish, await send(finish, agent));
}

function describe(bytes: Buffer, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}
