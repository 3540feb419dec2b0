import { LayerdError } from "./errors.ts";

/** A repository name of distribution-spec §Pulling manifests, at most 255 characters. */
export type RepositoryName = string & { readonly __brand: "RepositoryName" };
/** A tag of distribution-spec §Pulling manifests: at most 128 characters. */
export type Tag = string & { readonly __brand: "Tag" };

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const NAME_MAX = 255;

/** @throws NAME_INVALID */
export function parseRepositoryName(text: string): RepositoryName {
  if (text.length <= NAME_MAX && NAME.test(text)) return text as RepositoryName;
  throw new LayerdError("NAME_INVALID", `not a repository name: ${JSON.stringify(text.slice(0, 150))}`, {
    detail: { expected: `lower-case words joined by . _ __ - and /, at most ${NAME_MAX} characters` },
  });
}

export function isTag(text: string): text is Tag {
  return TAG.test(text);
}

/** @throws TAG_INVALID */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  throw new LayerdError("TAG_INVALID", `not a tag: ${JSON.stringify(text.slice(0, 150))}`, {
    detail: { expected: "letters, digits, _ . and -, not beginning with . or -, at most 128 characters" },
  });
}
