import type { Digest } from "../core/digest.ts";
import type { BlobEntry, Change, RecordedChange } from "./port.ts";
import type { RepositoryState } from "./state.ts";

type Of<T extends Change["type"]> = Extract<Change, { type: T }>;

/**
 * Folds one change into the state. All it needs beyond the two is the time `at` which it happened: the same
 * changes at the same times give the same state. Returns the change as it is to be written down, or
 * `undefined` when it changed nothing.
 */
export function fold(state: RepositoryState, change: Change, at: string): RecordedChange | undefined {
  switch (change.type) {
    case "blobLinked":
      return linkBlob(state, change, at);
    case "blobUnlinked":
      return unlinkBlob(state, change);
    case "blobUnpacked":
      return unpackBlob(state, change);
    case "manifestPut":
      return putManifest(state, change, at);
    case "manifestDeleted":
      return deleteManifest(state, change, at);
    case "tagSet":
      return setTag(state, change, at);
    case "tagDeleted":
      return deleteTag(state, change, at);
    default:
      return unknownChange(change);
  }
}

/** What a client that makes these changes is told is here; a subject is relied on by what refers to it. */
export function promised(changes: readonly Change[]): Digest[] {
  return changes.flatMap((change) => {
    switch (change.type) {
      case "blobLinked":
      case "tagSet":
        return [change.digest];
      case "manifestPut":
        return [change.manifest.digest, change.manifest.subject ?? []].flat();
      default:
        return [];
    }
  });
}

/** The manifests that tags were taken from: whoever knew one by its tag may be at work with it. */
export function untagged(changes: readonly RecordedChange[]): Digest[] {
  return changes.flatMap((change) => {
    if (change.type !== "tagSet" && change.type !== "tagDeleted") return [];
    return change.was ?? [];
  });
}

/** The digests and tags whose entries a change concerns that has just been folded into the state. */
export function touched(state: RepositoryState, change: RecordedChange): readonly string[] {
  switch (change.type) {
    case "blobLinked":
    case "blobUnlinked":
    case "blobUnpacked":
      return [change.digest];
    case "manifestPut":
      return [change.manifest.digest, ...referrersOf(state, change.manifest.digest)];
    case "manifestDeleted":
      return [change.digest, ...change.tags, ...referrersOf(state, change.digest)];
    case "tagSet":
      return [change.tag, change.digest, ...(change.was === null ? [] : [change.was])];
    case "tagDeleted":
      return [change.tag, change.was];
    default:
      return unknownChange(change);
  }
}

/** Their entries tell whether it is here. */
function referrersOf(state: RepositoryState, subject: Digest): readonly Digest[] {
  return state.namedBy(subject, "subject", Number.POSITIVE_INFINITY).items;
}

/** The same digest linked again keeps its place, its first date and what is known of its content. */
function linkBlob(state: RepositoryState, change: Of<"blobLinked">, at: string): RecordedChange | undefined {
  const { type, digest, size, mediaType, name } = change;
  const known = state.blobs.get(digest);
  if (known !== undefined && saysTheSame(known, change)) return undefined;
  const first = known ?? { position: ++state.position, digest, createdAt: at };
  const named = name === undefined ? {} : { name };
  state.putBlob({ ...first, size, mediaType, name });
  return { type, digest, size, mediaType, ...named };
}

function saysTheSame(entry: BlobEntry, change: Of<"blobLinked">): boolean {
  const { size, mediaType, name } = change;
  return entry.size === size && entry.mediaType === mediaType && entry.name === name;
}

function unlinkBlob(
  state: RepositoryState,
  { type, digest }: Of<"blobUnlinked">,
): RecordedChange | undefined {
  if (state.blobs.get(digest) === undefined) return undefined;
  state.blobs.delete(digest);
  return { type, digest };
}

function unpackBlob(state: RepositoryState, change: Of<"blobUnpacked">): RecordedChange | undefined {
  const { type, digest } = change;
  const { diffId, size } = change.unpacked;
  const known = state.blobs.get(digest);
  if (known === undefined) return undefined;
  if (known.unpacked?.diffId === diffId && known.unpacked.size === size) return undefined;
  const unpacked = { diffId, size };
  state.putBlob({ ...known, unpacked });
  return { type, digest, unpacked };
}

/** A known digest is the same manifest: there is nothing to change. */
function putManifest(
  state: RepositoryState,
  change: Of<"manifestPut">,
  at: string,
): RecordedChange | undefined {
  const { digest, size, mediaType, artifactType, blobs, manifests, subject } = change.manifest;
  const { annotations, annotationsInManifest } = change.manifest;
  if (state.manifests.get(digest) !== undefined) return undefined;
  const manifest = {
    digest,
    size,
    mediaType,
    blobs,
    ...(artifactType !== undefined && { artifactType }),
    ...(manifests !== undefined && { manifests }),
    ...(subject !== undefined && { subject }),
    ...(annotations !== undefined && { annotations }),
    ...(annotationsInManifest !== undefined && { annotationsInManifest }),
  };
  state.putManifest({ position: ++state.position, createdAt: at, ...manifest });
  state.noteSubjectGone(digest, undefined);
  return { type: change.type, manifest };
}

function deleteManifest(
  state: RepositoryState,
  { type, digest }: Of<"manifestDeleted">,
  at: string,
): RecordedChange | undefined {
  const tags = state.tags.of(digest);
  const here = state.manifests.get(digest) !== undefined;
  if (!here && tags.length === 0) return undefined;
  for (const tag of tags) state.tags.delete(tag);
  state.deleteManifest(digest);
  if (here) state.noteSubjectGone(digest, at);
  return { type, digest, tags };
}

function setTag(state: RepositoryState, change: Of<"tagSet">, at: string): RecordedChange | undefined {
  const { type, tag, digest } = change;
  const was = state.tags.get(tag)?.digest ?? null;
  if (was === digest) return undefined;
  state.putTag({ tag, digest, updatedAt: at });
  state.noteUntagged(digest, undefined);
  if (was !== null) loseTag(state, was, at);
  return { type, tag, digest, was };
}

function deleteTag(
  state: RepositoryState,
  { type, tag }: Of<"tagDeleted">,
  at: string,
): RecordedChange | undefined {
  const was = state.tags.get(tag)?.digest;
  if (was === undefined) return undefined;
  state.tags.delete(tag);
  loseTag(state, was, at);
  return { type, tag, was };
}

function loseTag(state: RepositoryState, digest: Digest, at: string): void {
  if (state.tags.count(digest) === 0) state.noteUntagged(digest, at);
}

function unknownChange(change: never): never {
  throw new TypeError(`an unknown change: ${JSON.stringify(change)}`);
}
