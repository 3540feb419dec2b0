import { digestOf } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import { REPOSITORY } from "../contenders/cncf-registry.ts";
import type { Store } from "../contenders/store.ts";
import { expect, type PreparedRequest, send } from "./http-client.ts";
import { EMPTY_TAR, manifestRequest } from "./seed.ts";

/** Makes requests, each for a manifest that the server has not seen. */
export type ManifestSource = (count: number) => PreparedRequest[];

/** @param used numbers up to this one have been posted already. */
export function postsToLayerd(store: Store, layer: string, used: number): ManifestSource {
  return numbered(used, (n) => ({
    method: "POST",
    url: `${store.origin}/manifest`,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(manifestRequest(layer, n)),
  }));
}

/** Uploads the one layer and the one config that all of the manifests name. */
export async function putsToRegistry(store: Store): Promise<ManifestSource> {
  const layer = await stored(store, EMPTY_TAR, MEDIA_TYPE.tar);
  const rootfs = { type: "layers", diff_ids: [layer.digest] };
  const image = JSON.stringify({ architecture: "amd64", os: "linux", rootfs });
  const config = await stored(store, Buffer.from(image), MEDIA_TYPE.config);
  const mediaType = MEDIA_TYPE.manifest;
  return numbered(0, (n) => {
    const annotations = manifestRequest(layer.digest, n).annotations;
    const body = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer], annotations });
    const url = `${store.origin}/v2/${REPOSITORY}/manifests/${digestOf(Buffer.from(body))}`;
    return { method: "PUT", url, headers: { "Content-Type": mediaType }, body };
  });
}

function numbered(used: number, make: (n: number) => PreparedRequest): ManifestSource {
  let last = used;
  return (count) =>
    Array.from({ length: count }, () => {
      last += 1;
      return make(last);
    });
}

async function stored(store: Store, bytes: Buffer, mediaType: string) {
  const digest = digestOf(bytes);
  const headers = { "Content-Type": "application/octet-stream" };
  const request = { ...(await store.beginUpload(digest)), headers, body: bytes };
  expect(201, request, await send(request));
  return { mediaType, digest, size: bytes.length };
}
