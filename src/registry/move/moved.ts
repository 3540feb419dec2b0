import type { Digest } from "../../core/digest.ts";
import type { RepositoryName, Tag } from "../../core/name.ts";
import type { Wrong } from "./transfer.ts";

/** What the target does not have after a pass although the source has it, and why. */
export type MoveFault = { readonly repository: RepositoryName; readonly why: string } & (
  | {
      readonly what: Wrong["what"];
      readonly digest: Digest;
      readonly size: number;
      readonly as: "blob" | "manifest";
    }
  /** The target has the tag at another digest, `is`, where it stays. */
  | { readonly what: "tag-conflict"; readonly tag: Tag; readonly digest: Digest; readonly is: Digest }
  /** The manifest that the tag is at is not in the target. */
  | { readonly what: "tag-dangling"; readonly tag: Tag; readonly digest: Digest }
  /** A part of the source's index cannot be read: what it says is not known. */
  | { readonly what: "index-damaged" }
);

/** What came into the target; in a dry run, would come. */
export interface MoveTally {
  /** Blobs that a repository may serve now. The bytes of many are there already, for another repository. */
  readonly blobs: number;
  readonly manifests: number;
  readonly tags: number;
  /** Blobs and manifests whose bytes were copied. */
  readonly copied: number;
  /** Of those. */
  readonly bytes: number;
}

/** The same of one repository. */
export interface MovedRepository extends MoveTally {
  readonly repository: RepositoryName;
  /** Whether the target did not have it. */
  readonly created: boolean;
}

export interface Moved extends MoveTally {
  /** That the target did not have. */
  readonly repositories: number;
  readonly faults: number;
  /** Whether the source has been changed between the beginning of the pass and its end; absent after a dry run. */
  readonly sourceChanged?: boolean;
}

/** While it is counted. */
export type Counts = { -readonly [K in keyof MoveTally]: MoveTally[K] };

export function noCounts(): Counts {
  return { blobs: 0, manifests: 0, tags: 0, copied: 0, bytes: 0 };
}
