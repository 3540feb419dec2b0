import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import type { StoreOptions } from "../../src/config.ts";
import { createLayerd, type Source } from "../../src/create.ts";
import { Client, IMAGE_CONFIG, INDEX, imageOf, indexOf, sha256, sha512 } from "../http/v2/client.ts";

/* Stores that are copied from one place to another, and what is in them. */

/** A layer that is found among random bytes. */
export const LAYER = "layer ".repeat(20_000);

/** Puts one of everything into a registry: what the image is has a tag, a signature, an index and a blob of SHA-512. */
export async function fill(url: string): Promise<void> {
  const app = new Client(url, "team/app");
  const image = await app.pushImage(LAYER, { tag: "v1" });
  await app.putManifest("latest", image);
  const subject = { mediaType: JSON.parse(image).mediaType, digest: sha256(image), size: image.length };
  await app.pushImage("signature", { more: { subject, artifactType: "application/vnd.example.signature" } });
  const other = await app.pushImage("other layer");
  await app.putManifest("multi", indexOf([image, other]), { "Content-Type": INDEX });
  const long = new Client(url, "team/long");
  await long.pushBlob("named by SHA-512", sha512("named by SHA-512"));
  await long.pushBlob(IMAGE_CONFIG);
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", ...describe512(IMAGE_CONFIG) };
  await long.pushBlob(IMAGE_CONFIG, sha512(IMAGE_CONFIG));
  const manifest = imageOf("none", { config, layers: [] });
  await long.putManifest(sha512(manifest), manifest);
  const empty = new Client(url, "team/empty");
  await empty.pushBlob("gone");
  await empty.send("DELETE", `blobs/${sha256("gone")}`);
  await fetch(`${url}/layer`, { method: "POST", body: LAYER });
}

function describe512(content: string) {
  return { digest: sha512(content), size: content.length };
}

/** All that a store has which a copy has too, in the order of its listings. Nobody else has it open. */
export async function contentOf(config: StoreOptions): Promise<object> {
  const layerd = await createLayerd({ ...config, gc: false, scrubRate: 0 });
  try {
    return await contentOfSource(layerd.registry.source);
  } finally {
    await layerd.close();
  }
}

async function contentOfSource(source: Source): Promise<object> {
  const content: Record<string, object> = {};
  const { items } = await source.repositories({ limit: 1000 });
  for (const repository of items) {
    const blobs = (await source.blobs(repository, { limit: 1000 })).items;
    const manifests = (await source.manifests(repository, { limit: 1000 })).items;
    const tags = (await source.tags(repository, { limit: 1000 })).items;
    content[repository] = {
      blobs: blobs.map(({ position: _place, createdAt: _at, ...rest }) => rest),
      manifests: manifests.map(({ position: _place, createdAt: _at, untaggedAt: _lost, ...rest }) => rest),
      tags: tags.map(({ updatedAt: _at, ...rest }) => rest),
    };
  }
  return content;
}

/** A directory in which stores may be made, removed when the test ends. */
export async function placeForStores(t: ExecutionContext): Promise<(name: string) => string> {
  const place = await mkdtemp(join(tmpdir(), "layerd-move-"));
  t.teardown(() => rm(place, { recursive: true, force: true, maxRetries: 3 }));
  return (name) => join(place, name);
}

export const lines = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
