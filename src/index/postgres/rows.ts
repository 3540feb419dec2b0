import type { Tag } from "../../core/name.ts";
import { bytesOf, digestFrom } from "../../postgres/digests.ts";
import type { BlobEntry, ManifestEntry, Naming, TagEntry } from "../port.ts";

/* Entries as rows, and rows as entries. */

/** How a manifest names a digest, as a number. */
export const KIND: Readonly<Record<Naming, number>> = { blob: 1, manifest: 2, subject: 3 };

export interface BlobRow {
  readonly digest: Buffer;
  readonly position: number;
  readonly size: number;
  readonly media_type: string;
  readonly name: string | null;
  readonly created_at: Date;
  readonly diff_id: Buffer | null;
  readonly unpacked_size: number | null;
}

export function blobOf(row: BlobRow): BlobEntry {
  return {
    position: row.position,
    digest: digestFrom(row.digest),
    size: row.size,
    mediaType: row.media_type,
    createdAt: row.created_at.toISOString(),
    ...(row.name !== null && { name: row.name }),
    ...(row.diff_id !== null &&
      row.unpacked_size !== null && {
        unpacked: { diffId: digestFrom(row.diff_id), size: row.unpacked_size },
      }),
  };
}

/** In the order of the columns that `writes.ts` names. */
export function valuesOfBlob({ digest, position, size, mediaType, name, createdAt, unpacked }: BlobEntry) {
  const diffId = unpacked && bytesOf(unpacked.diffId);
  return [bytesOf(digest), position, size, mediaType, name, createdAt, diffId, unpacked?.size] as const;
}

export interface ManifestRow {
  readonly digest: Buffer;
  readonly position: number;
  readonly size: number;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly blobs: readonly Buffer[];
  readonly manifests: readonly Buffer[] | null;
  readonly subject: Buffer | null;
  readonly annotations: Readonly<Record<string, string>> | null;
  readonly annotations_in_manifest: boolean;
  readonly created_at: Date;
  readonly untagged_at: Date | null;
  readonly subject_gone_at: Date | null;
}

export function manifestOf(row: ManifestRow): ManifestEntry {
  return {
    position: row.position,
    digest: digestFrom(row.digest),
    size: row.size,
    mediaType: row.media_type,
    blobs: row.blobs.map(digestFrom),
    createdAt: row.created_at.toISOString(),
    ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
    ...(row.manifests !== null && { manifests: row.manifests.map(digestFrom) }),
    ...(row.subject !== null && { subject: digestFrom(row.subject) }),
    ...(row.annotations !== null && { annotations: row.annotations }),
    ...(row.annotations_in_manifest && { annotationsInManifest: true as const }),
    ...(row.untagged_at !== null && { untaggedAt: row.untagged_at.toISOString() }),
    ...(row.subject_gone_at !== null && { subjectGoneAt: row.subject_gone_at.toISOString() }),
  };
}

/** In the order of the columns that `writes.ts` names. */
export function valuesOfManifest(entry: ManifestEntry) {
  const { artifactType, manifests, subject, annotations } = entry;
  return [
    bytesOf(entry.digest),
    entry.position,
    entry.size,
    entry.mediaType,
    artifactType,
    entry.blobs.map(bytesOf),
    manifests?.map(bytesOf),
    subject && bytesOf(subject),
    annotations && JSON.stringify(annotations),
    entry.annotationsInManifest === true,
    entry.createdAt,
    entry.untaggedAt,
    entry.subjectGoneAt,
  ] as const;
}

export interface TagRow {
  readonly tag: Tag;
  readonly digest: Buffer;
  readonly updated_at: Date;
}

export function tagOf({ tag, digest, updated_at }: TagRow): TagEntry {
  return { tag, digest: digestFrom(digest), updatedAt: updated_at.toISOString() };
}
