import { randomBytes } from "node:crypto";
import { type Digest, digestOf } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import { KIB, MIB } from "../toolkit/bench.ts";
import type { Client } from "./client.ts";

/** Where images are pushed to. */
export const REPOSITORY = "team/app";
const CONFIG_PADDING = 2 * KIB;

/** An image that no server has seen. */
export interface Image {
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
  readonly manifest: string;
}

/** Bytes that no server has seen, without making all of them anew. */
export function fresh(size: number): Buffer {
  const bytes = Buffer.from(templateOf(size));
  randomBytes(Math.min(size, 64)).copy(bytes);
  return bytes;
}

const digests = new WeakMap<Buffer, Digest>();

/** The digest of bytes that stay as they are, computed once: a client is not to keep the server waiting. */
export function nameOf(bytes: Buffer): Digest {
  const known = digests.get(bytes) ?? digestOf(bytes);
  digests.set(bytes, known);
  return known;
}

const templates = new Map<number, Buffer>();

function templateOf(size: number): Buffer {
  const known = templates.get(size) ?? randomBytes(size);
  templates.set(size, known);
  return known;
}

/** @param count of layers, each of `size` bytes. */
export function makeImage(count = 3, size = MIB): Image {
  const layers = Array.from({ length: count }, () => fresh(size));
  const made = randomBytes(CONFIG_PADDING / 2).toString("hex");
  const rootfs = { type: "layers", diff_ids: layers.map((layer) => nameOf(layer)) };
  const config = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs, config: { Labels: { made } } }),
  );
  return { config, layers, manifest: manifestOf(config, layers) };
}

/** @param subject a manifest to refer to. */
export function manifestOf(config: Buffer, layers: readonly Buffer[], subject?: string): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.manifest,
    config: describe(config, MEDIA_TYPE.config),
    layers: layers.map((layer) => describe(layer, MEDIA_TYPE.tar)),
    ...(subject === undefined ? {} : { subject: describe(Buffer.from(subject), MEDIA_TYPE.manifest) }),
  });
}

function describe(bytes: Buffer, mediaType: string) {
  return { mediaType, digest: nameOf(bytes), size: bytes.length };
}

/** Requests to one repository, as clients of registries make them. */
export class Repository {
  readonly #client: Client;
  readonly #path: string;

  constructor(client: Client, name = REPOSITORY) {
    this.#client = client;
    this.#path = `/v2/${name}`;
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}, status = 200): Promise<void> {
    await this.#client.send(status, "GET", `${this.#path}/${path}`, { headers });
  }

  async head(path: string, status = 200): Promise<void> {
    await this.#client.send(status, "HEAD", `${this.#path}/${path}`);
  }

  async delete(path: string): Promise<void> {
    await this.#client.send(202, "DELETE", `${this.#path}/${path}`);
  }

  /** distribution-spec §Single POST. */
  async post(blob: Buffer): Promise<void> {
    await this.#client.send(201, "POST", `${this.#path}/blobs/uploads/?digest=${nameOf(blob)}`, {
      body: blob,
    });
  }

  /** POST, then PUT with the blob. */
  async put(blob: Buffer): Promise<void> {
    await this.#client.send(201, "PUT", await this.#session(nameOf(blob)), { body: blob });
  }

  /** POST, PATCH with the blob, then PUT without a body, as docker does. */
  async patch(blob: Buffer): Promise<void> {
    const opened = await this.#client.send(202, "POST", `${this.#path}/blobs/uploads/`);
    const patched = await this.#client.send(202, "PATCH", pathOf(opened.headers.location), { body: blob });
    await this.#client.send(201, "PUT", pathOf(patched.headers.location, nameOf(blob)));
  }

  async mount(digest: string, from: string): Promise<void> {
    await this.#client.send(201, "POST", `${this.#path}/blobs/uploads/?mount=${digest}&from=${from}`);
  }

  async putManifest(reference: string, manifest: string): Promise<void> {
    const headers = { "Content-Type": MEDIA_TYPE.manifest };
    await this.#client.send(201, "PUT", `${this.#path}/manifests/${reference}`, { body: manifest, headers });
  }

  /** The whole image, in the fewest requests. */
  async pushQuickly({ config, layers, manifest }: Image, reference: string): Promise<void> {
    for (const blob of [config, ...layers]) await this.post(blob);
    await this.putManifest(reference, manifest);
  }

  /** As docker does: it asks for each blob, and sends what is not there. */
  async push({ config, layers, manifest }: Image, tag: string): Promise<void> {
    for (const blob of [...layers, config]) {
      await this.head(`blobs/${nameOf(blob)}`, 404);
      await this.patch(blob);
    }
    await this.putManifest(tag, manifest);
  }

  /** As docker and containerd do: the tag, the manifest, the config, the layers. */
  async pull({ config, layers, manifest }: Image, tag: string): Promise<void> {
    await this.head(`manifests/${tag}`);
    await this.get(`manifests/${digestOf(Buffer.from(manifest))}`);
    for (const blob of [config, ...layers]) await this.get(`blobs/${nameOf(blob)}`);
  }

  async #session(digest: string): Promise<string> {
    const opened = await this.#client.send(202, "POST", `${this.#path}/blobs/uploads/`);
    return pathOf(opened.headers.location, digest);
  }
}

function pathOf(location: string | undefined, digest?: string): string {
  const url = new URL(location ?? "", "http://any");
  if (digest !== undefined) url.searchParams.set("digest", digest);
  return `${url.pathname}${url.search}`;
}
