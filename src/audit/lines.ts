import type { Digest } from "../core/digest.ts";
import type { RepositoryName, Tag } from "../core/name.ts";
import type { Commit, RecordedChange } from "../index/port.ts";

/** What was done. */
type Deed =
  | { readonly action: "push-manifest"; readonly digest: Digest; readonly mediaType: string }
  /** With the tags that were at it. */
  | { readonly action: "delete-manifest"; readonly digest: Digest; readonly tags: readonly Tag[] }
  /** `null`: there was no such tag, or is none any more. */
  | { readonly action: "tag"; readonly tag: Tag; readonly from: Digest | null; readonly to: Digest }
  | { readonly action: "untag"; readonly tag: Tag; readonly from: Digest; readonly to: null }
  | { readonly action: "link-blob"; readonly digest: Digest; readonly size: number }
  /** `from` is absent when no repository was named. */
  | {
      readonly action: "mount-blob";
      readonly digest: Digest;
      readonly size: number;
      readonly from: RepositoryName | undefined;
    }
  | { readonly action: "unlink-blob"; readonly digest: Digest };

/** Bytes that garbage collection has removed: from the store to the trash, or from one of the others for good. */
export interface Removal {
  readonly what: "blob" | "trash" | "quarantine";
  readonly digest: Digest;
  readonly size: number;
}

/** Damaged bytes that a scrub has taken out of service. */
export interface Quarantining {
  readonly digest: Digest;
  readonly size?: number;
  /** Where they are now. */
  readonly file?: string;
}

/** What `layerd check --repair` does; what it puts into an index are commits. */
export type Repairing =
  | { readonly what: "index"; readonly repository: RepositoryName; readonly kept: readonly string[] }
  | { readonly what: "restored"; readonly digest: Digest; readonly size: number }
  | ({ readonly what: "quarantined" } & Quarantining)
  /** Nothing has changed, or the index tells. */
  | { readonly what: "found" | "tag-lost" | "bytes-lost" };

/** The lines of a commit: one for each change that somebody asked for. */
export function linesOf(commit: Commit): string[] {
  const { at, who, request, repository } = commit;
  return commit.changes
    .flatMap((change) => deedOf(change, commit) ?? [])
    .map((deed) => lineOf({ at, who, request, repository, ...deed }));
}

export function lineOfRemoval({ what, digest, size }: Removal): string {
  const deed = what === "blob" ? { action: "discard-blob" } : { action: "purge-blob", from: what };
  return lineOf({ at: new Date().toISOString(), who: "gc", ...deed, digest, size });
}

export function lineOfQuarantining({ digest, size, file }: Quarantining, who = "scrub"): string {
  return lineOf({ at: new Date().toISOString(), who, action: "quarantine-blob", digest, size, file });
}

export function lineOfRepair(repairing: Repairing): string | undefined {
  const [at, who] = [new Date().toISOString(), "recovery"];
  switch (repairing.what) {
    case "index": {
      const { repository, kept } = repairing;
      return lineOf({ at, who, repository, action: "repair-index", kept });
    }
    case "restored": {
      const { digest, size } = repairing;
      return lineOf({ at, who, action: "restore-blob", digest, size });
    }
    case "quarantined":
      return lineOfQuarantining(repairing, who);
    case "found":
    case "tag-lost":
    case "bytes-lost":
      return undefined;
    default:
      return repairing satisfies never;
  }
}

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

function deedOf(change: RecordedChange, { mount }: Commit): Deed | undefined {
  switch (change.type) {
    case "manifestPut": {
      const { digest, mediaType } = change.manifest;
      return { action: "push-manifest", digest, mediaType };
    }
    case "manifestDeleted":
      return { action: "delete-manifest", digest: change.digest, tags: change.tags };
    case "tagSet":
      return { action: "tag", tag: change.tag, from: change.was, to: change.digest };
    case "tagDeleted":
      return { action: "untag", tag: change.tag, from: change.was, to: null };
    case "blobLinked": {
      const { digest, size } = change;
      if (mount === undefined) return { action: "link-blob", digest, size };
      return { action: "mount-blob", digest, size, from: mount.from };
    }
    case "blobUnlinked":
      return { action: "unlink-blob", digest: change.digest };
    case "blobUnpacked":
      // Computed from bytes that were there: nobody has changed anything.
      return undefined;
    default:
      return change satisfies never;
  }
}
