import { digestOf } from "./digest.ts";
import { anyOf, type Matcher, pathGlob, textGlob } from "./glob.ts";
import type { ContentDescriptor, ParsedManifest } from "./manifest.ts";
import { essenceOf, MEDIA_TYPE } from "./media-type.ts";
import type { RepositoryName, Tag } from "./name.ts";

/** Which tags stay: those of which any of this is true. At least one is said. */
export interface KeepTags {
  /** So many, at least 1, of those that were set last. */
  readonly newest?: number;
  /** Milliseconds: those that were set since. */
  readonly youngerThan?: number;
  /** Patterns (`textGlob`, `anyOf`), at least one. */
  readonly matching?: readonly string[];
}

/** What somebody wants of certain repositories. What a rule leaves out is left to the rules before it. */
export interface RepositoryRule {
  /** Patterns (`pathGlob`, `anyOf`), at least one. */
  readonly repositories: readonly string[];
  readonly readOnly?: boolean;
  /** Patterns (`textGlob`, `anyOf`) of tags; `[]` is none. */
  readonly immutableTags?: readonly string[];
  /** Patterns (`textGlob`, `anyOf`) of media types, at least one. */
  readonly mediaTypes?: readonly string[];
  /** Bytes. */
  readonly maxBlobSize?: number;
  /** Bytes. */
  readonly maxManifestSize?: number;
  readonly sparse?: boolean;
  readonly keepTags?: KeepTags | "all";
  /** Milliseconds for which manifests without a tag are kept after they lost it, or for ever. */
  readonly keepUntagged?: number;
  /** The same for blobs that no manifest names. */
  readonly keepUnused?: number;
}

/** What holds where no rule says otherwise. */
export type RuleDefaults = Required<Pick<RepositoryRule, "maxBlobSize" | "maxManifestSize" | "sparse">>;

/** The rules of one repository. */
export interface RepositoryRules {
  /** Nothing may be pushed, mounted into it, tagged or deleted. */
  readonly readOnly: boolean;
  /** Once such a tag exists, it may neither be moved nor deleted. */
  isImmutable(tag: Tag): boolean;
  /** Whether content of a media type may be pushed. Parameters and case do not count. */
  allows(mediaType: string): boolean;
  /** Bytes, of a layer, a config or any other blob. */
  readonly maxBlobSize: number;
  /** Bytes. */
  readonly maxManifestSize: number;
  /** Whether a manifest may name blobs and manifests that are not here (distribution-spec §Pushing Manifests). */
  readonly sparse: boolean;
  /** Which tags the collector leaves, apart from immutable ones: by default all. */
  readonly keepTags: KeepTags | "all";
  /** Milliseconds for which manifests that nothing needs are kept (`keptUntil`): by default for ever, `Infinity`. */
  readonly keepUntagged: number;
  /** The same for blobs that no manifest names; `undefined` leaves it to the collector. */
  readonly keepUnused: number | undefined;
}

/** The rules of every repository. */
export interface Rules {
  for(repository: RepositoryName): RepositoryRules;
}

/**
 * Prepares rules for use. Of those that fit a repository, the last that says something decides, property by
 * property: a rule for `**` can stand first, and exceptions follow it.
 */
export function compileRules(rules: readonly RepositoryRule[], defaults: RuleDefaults): Rules {
  const general: RepositoryRules = {
    readOnly: false,
    isImmutable: () => false,
    allows: () => true,
    keepTags: "all",
    keepUntagged: Number.POSITIVE_INFINITY,
    keepUnused: undefined,
    ...defaults,
  };
  const compiled = rules.map((rule) => ({
    concerns: anyOf(rule.repositories, pathGlob),
    properties: compileProperties(rule),
  }));
  return {
    for: (repository) => {
      const fitting = compiled.filter(({ concerns }) => concerns(repository));
      return Object.assign({}, general, ...fitting.map(({ properties }) => properties));
    },
  };
}

/** Only what the rule says, so that it overrides nothing else. */
function compileProperties(rule: RepositoryRule): Partial<RepositoryRules> {
  const { repositories: _, immutableTags, mediaTypes, ...plain } = rule;
  return {
    ...plain,
    ...(immutableTags === undefined ? {} : { isImmutable: anyOf(immutableTags, textGlob) }),
    ...(mediaTypes === undefined ? {} : { allows: allowing(mediaTypes) }),
  };
}

function allowing(patterns: readonly string[]): Matcher {
  const fits = anyOf(
    patterns.map((pattern) => pattern.toLowerCase()),
    textGlob,
  );
  return (mediaType) => fits(essenceOf(mediaType));
}

/**
 * The media types that a repository has to allow for a manifest to be pushed, each once: its own, its
 * artifactType, and those of everything it consists of. Its subject is no part of it.
 */
export function mediaTypesOf(manifest: ParsedManifest): string[] {
  const { mediaType, artifactType, content } = manifest;
  const own = artifactType === undefined ? [mediaType] : [mediaType, artifactType];
  const parts = content.filter((descriptor) => !isEmpty(descriptor));
  return [...new Set([...own, ...parts.map((descriptor) => descriptor.mediaType)])];
}

const EMPTY = digestOf(Buffer.from("{}"));

/** image-spec manifest.md §Guidance for an Empty Descriptor: it stands where there is nothing. */
function isEmpty({ mediaType, digest }: ContentDescriptor): boolean {
  return mediaType === MEDIA_TYPE.empty && digest === EMPTY;
}
