import type { Digest } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import type { Tag } from "../core/name.ts";
import type { Requirement } from "./port.ts";
import type { RepositoryState } from "./state.ts";

const MANIFESTS_NAMED = 10;

/**
 * @param promised whether somebody has been promised a digest of this repository.
 * @throws the error of the first requirement that does not hold.
 */
export function check(
  state: RepositoryState,
  requirements: readonly Requirement[],
  promised: (digest: Digest) => boolean,
): void {
  for (const requirement of requirements) {
    const error = violation(state, requirement, promised);
    if (error !== undefined) throw error;
  }
}

function violation(
  state: RepositoryState,
  requirement: Requirement,
  promised: (digest: Digest) => boolean,
): LayerdError | undefined {
  switch (requirement.type) {
    case "blobsLinked":
      return blobsLinked(state, requirement.digests);
    case "blobLinked":
      return blobLinked(state, requirement.digest);
    case "blobUnused":
      return blobUnused(state, requirement.digest);
    case "manifestPresent":
      return manifestPresent(state, requirement.digest);
    case "manifestsPresent":
      return manifestsPresent(state, requirement.digests);
    case "tagPresent":
      return tagPresent(state, requirement.tag);
    case "tagAt":
      return tagAt(state, requirement.tag, requirement.digest);
    case "tagAmong":
      return tagAmong(state, requirement.tag, requirement.digests);
    case "unpromised":
      return promised(requirement.digest) ? stillNeeded(requirement.digest) : undefined;
    case "manifestUnneeded":
      return manifestUnneeded(state, requirement.digest, requirement.subjectGoneAt);
    case "noTagsBut":
      return noTagsBut(state, requirement.digest, requirement.tags);
    case "tagsNotMoved":
      return tagsNotMoved(state, requirement.tags, requirement.to);
    default:
      return unknownRequirement(requirement);
  }
}

function blobsLinked(state: RepositoryState, digests: readonly Digest[]): LayerdError | undefined {
  const missing = new Set(digests.filter((digest) => state.blobs.get(digest) === undefined));
  if (missing.size === 0) return undefined;
  return new LayerdError("MANIFEST_BLOB_UNKNOWN", undefined, { detail: { missing: [...missing] } });
}

function blobLinked(state: RepositoryState, digest: Digest): LayerdError | undefined {
  if (state.blobs.get(digest) !== undefined) return undefined;
  return new LayerdError("BLOB_UNKNOWN", undefined, { detail: { digest } });
}

function blobUnused(state: RepositoryState, digest: Digest): LayerdError | undefined {
  const manifests = state.users.first(digest, MANIFESTS_NAMED);
  if (manifests.length === 0) return undefined;
  return new LayerdError("BLOB_IN_USE", undefined, { detail: { manifests } });
}

function manifestPresent(state: RepositoryState, digest: Digest): LayerdError | undefined {
  if (state.manifests.get(digest) !== undefined) return undefined;
  return new LayerdError("MANIFEST_UNKNOWN", undefined, { detail: { digest } });
}

function manifestsPresent(state: RepositoryState, digests: readonly Digest[]): LayerdError | undefined {
  const missing = new Set(digests.filter((digest) => state.manifests.get(digest) === undefined));
  if (missing.size === 0) return undefined;
  return new LayerdError("MANIFEST_BLOB_UNKNOWN", "the index names manifests that are not here", {
    detail: { missing: [...missing] },
  });
}

function tagPresent(state: RepositoryState, tag: Tag): LayerdError | undefined {
  if (state.tags.get(tag) !== undefined) return undefined;
  return new LayerdError("TAG_UNKNOWN", undefined, { detail: { tag } });
}

function tagAt(state: RepositoryState, tag: Tag, digest: Digest | null): LayerdError | undefined {
  const is = state.tags.get(tag)?.digest ?? null;
  return is === digest ? undefined : elsewhere(tag, is);
}

function tagAmong(
  state: RepositoryState,
  tag: Tag,
  digests: readonly Digest[] | "any",
): LayerdError | undefined {
  const is = state.tags.get(tag)?.digest;
  if (is === undefined) return elsewhere(tag, null);
  return digests === "any" || digests.includes(is) ? undefined : elsewhere(tag, is);
}

function elsewhere(tag: Tag, is: Digest | null): LayerdError {
  return new LayerdError("PRECONDITION_FAILED", undefined, { detail: { tag, is } });
}

function manifestUnneeded(
  state: RepositoryState,
  digest: Digest,
  subjectGoneAt: string | undefined,
): LayerdError | undefined {
  const goneAt = state.manifests.get(digest)?.subjectGoneAt;
  const wasBack = subjectGoneAt !== undefined && subjectGoneAt !== goneAt;
  return wasBack || state.isNeeded(digest) ? stillNeeded(digest) : undefined;
}

function stillNeeded(digest: Digest): LayerdError {
  return new LayerdError("PRECONDITION_FAILED", "somebody may need it", { detail: { digest } });
}

function noTagsBut(state: RepositoryState, digest: Digest, tags: readonly Tag[]): LayerdError | undefined {
  const tag = state.tags.of(digest).find((one) => !tags.includes(one));
  if (tag === undefined) return undefined;
  const message = `the tag ${tag} has been set to this manifest meanwhile; try again`;
  return new LayerdError("PRECONDITION_FAILED", message, { detail: { digest, tag } });
}

function tagsNotMoved(state: RepositoryState, tags: readonly Tag[], to: Digest): LayerdError | undefined {
  for (const tag of tags) {
    const is = state.tags.get(tag)?.digest ?? to;
    if (is !== to) return new LayerdError("DENIED", `the tag ${tag} is immutable`, { detail: { tag, is } });
  }
  return undefined;
}

function unknownRequirement(requirement: never): never {
  throw new TypeError(`an unknown requirement: ${JSON.stringify(requirement)}`);
}
