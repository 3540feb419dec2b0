import type { Digest } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import type { ParsedManifest } from "../core/manifest.ts";
import type { RepositoryName, Tag } from "../core/name.ts";
import { mediaTypesOf, type RepositoryRules, type Rules } from "../core/rules.ts";
import type { Index, Requirement } from "../index/port.ts";

/** The rules of a repository that something is to be changed in. @throws DENIED when it is read-only */
export function requireWritable(rules: Rules, repository: RepositoryName): RepositoryRules {
  const own = rules.for(repository);
  if (!own.readOnly) return own;
  throw new LayerdError("DENIED", `${repository} is read-only`, { detail: { repository, rule: "readOnly" } });
}

/** @throws DENIED naming what is in a manifest and not allowed in the repository */
export function requireAllowed(rules: RepositoryRules, manifest: ParsedManifest): void {
  const refused = mediaTypesOf(manifest).filter((mediaType) => !rules.allows(mediaType));
  if (refused.length === 0) return;
  throw new LayerdError("DENIED", `not allowed in this repository: ${refused.slice(0, 3).join(", ")}`, {
    detail: { mediaTypes: refused.slice(0, 10), rule: "mediaTypes" },
  });
}

/** What keeps immutable tags where they are when `tags` are set. */
export function tagRequirements(rules: RepositoryRules, tags: readonly Tag[], to: Digest): Requirement[] {
  const immutable = tags.filter((tag) => rules.isImmutable(tag));
  return immutable.length === 0 ? [] : [{ type: "tagsNotMoved", tags: immutable, to }];
}

/**
 * What keeps a manifest that an immutable tag points at from being deleted. @throws DENIED
 */
export async function requireDeletable(
  index: Index,
  repository: RepositoryName,
  digest: Digest,
  rules: RepositoryRules,
): Promise<Requirement[]> {
  const tags = await index.tagsOf(repository, digest);
  const immutable = tags.find((tag) => rules.isImmutable(tag));
  if (immutable === undefined) return [{ type: "noTagsBut", digest, tags }];
  throw new LayerdError("DENIED", `the tag ${immutable} is immutable, and points at this manifest`, {
    detail: { tag: immutable, digest },
  });
}
