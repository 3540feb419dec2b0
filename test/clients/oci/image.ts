import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { makeTar, type TarEntry } from "../../tools/tar.ts";

/* Images made from nothing, the same bytes each time, in the forms that clients read. */

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface Image {
  readonly manifest: Blob;
  readonly config: Blob;
  /** Packed with gzip. */
  readonly layers: readonly Blob[];
  /** The same layers, not packed. */
  readonly tars: readonly Buffer[];
  readonly architecture: string;
}

interface ImageOptions {
  /** A layer each. */
  readonly layers?: readonly (readonly TarEntry[])[];
  /** Default: amd64. */
  readonly architecture?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";

const TWO_LAYERS: readonly (readonly TarEntry[])[] = [
  [{ name: "etc/os-release", data: 'NAME="Little"\n' }],
  [{ name: "srv/hello.txt", data: "Hello from a layer.\n" }],
];

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function blob(mediaType: string, content: Buffer | object): Blob {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  return { mediaType, digest: digestOf(bytes), bytes };
}

function descriptor({ mediaType, digest, bytes }: Blob) {
  return { mediaType, digest, size: bytes.length };
}

export function makeImage({ layers = TWO_LAYERS, architecture = "amd64", labels }: ImageOptions = {}): Image {
  const tars = layers.map((entries) => makeTar(entries));
  const packed = tars.map((tar) => blob("application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(tar)));
  const config = blob("application/vnd.oci.image.config.v1+json", {
    architecture,
    os: "linux",
    config: { Labels: labels },
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
  });
  const manifest = blob(MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: descriptor(config),
    layers: packed.map(descriptor),
  });
  return { manifest, config, layers: packed, tars, architecture };
}

/** One image for several platforms. */
function makeIndex(images: readonly Image[]): Blob {
  const manifests = images.map(({ manifest, architecture }) => ({
    ...descriptor(manifest),
    platform: { architecture, os: "linux" },
  }));
  return blob(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests });
}

/** image-spec image-layout.md, with one name in it. Returns the digest that the name stands for. */
export async function writeLayout(path: string, tag: string, images: readonly Image[]): Promise<string> {
  const index = images.length > 1 ? [makeIndex(images)] : [];
  const [root] = [...index, ...images.map(({ manifest }) => manifest)];
  if (root === undefined) throw new Error("a layout needs an image");
  await mkdir(join(path, "blobs/sha256"), { recursive: true });
  const blobs = images.flatMap(({ manifest, config, layers }) => [manifest, config, ...layers]);
  for (const { digest, bytes } of [...index, ...blobs]) await writeFile(blobPath(path, digest), bytes);
  await writeFile(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const named = { ...descriptor(root), annotations: { "org.opencontainers.image.ref.name": tag } };
  await writeFile(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  return root.digest;
}

function blobPath(layout: string, digest: string): string {
  return join(layout, "blobs", digest.replace(":", "/"));
}

/** The digests of all blobs in a layout, each held against the bytes. */
export async function blobsOf(layout: string): Promise<string[]> {
  const names = await readdir(join(layout, "blobs/sha256"));
  const digests = names.map((name) => `sha256:${name}`).sort();
  for (const digest of digests) {
    const bytes = await readFile(blobPath(layout, digest));
    if (digestOf(bytes) !== digest) throw new Error(`${digest} is damaged`);
  }
  return digests;
}

/** What `docker save` writes: a tar with the config, the layers, and a list of them. */
export function dockerArchive(image: Image, name: string): Buffer {
  const layers = image.tars.map((data, index) => ({ name: `${index}.tar`, data }));
  const list = [{ Config: "config.json", RepoTags: [name], Layers: layers.map((layer) => layer.name) }];
  return makeTar([
    { name: "manifest.json", data: JSON.stringify(list) },
    { name: "config.json", data: image.config.bytes },
    ...layers,
  ]);
}
