import type { Digest } from "../../core/digest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Index } from "../../index/port.ts";
import type { Pace } from "../gc/pace.ts";
import { everyManifest, everyRepository } from "../gc/walk.ts";

/** A repository that loses something with a blob. */
export interface Need {
  readonly repository: RepositoryName;
  /** What the blob is there. */
  readonly as: "manifest" | "blob";
  /** Manifests there that name it. */
  readonly manifests: readonly Digest[];
}

/** Every repository that has a blob, with the manifests that name it. */
export async function whoNeeds(index: Index, digest: Digest, pace: Pace): Promise<Need[]> {
  const needs: Need[] = [];
  for await (const repository of everyRepository(index)) {
    await pace.step();
    const manifest = await index.manifest(repository, digest);
    if (manifest === undefined && (await index.blob(repository, digest)) === undefined) continue;
    const manifests: Digest[] = [];
    for await (const entry of everyManifest(index, repository, pace)) {
      if (entry.blobs.includes(digest) || entry.manifests?.includes(digest)) manifests.push(entry.digest);
    }
    needs.push({ repository, as: manifest === undefined ? "blob" : "manifest", manifests });
  }
  return needs;
}
