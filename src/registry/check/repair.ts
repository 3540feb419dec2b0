import type { Digest } from "../../core/digest.ts";
import type { RepositoryName, Tag } from "../../core/name.ts";
import type { Damage, Some } from "../../index/port.ts";
import type { Found, Recovered } from "./finding.ts";

/** One thing that was repaired, or that cannot be; in a dry run, would be. */
export type Repair =
  /** What could be read of a damaged index is the whole index now; what was there is in `kept`. */
  | {
      readonly what: "index";
      readonly repository: RepositoryName;
      readonly damaged: readonly Damage[];
      /** Paths; empty in a dry run. */
      readonly kept: readonly string[];
    }
  /** An entry that was lost is there again. */
  | ({ readonly what: "found"; readonly repository: RepositoryName } & Found)
  /** A tag that a damaged line has set: whether its name was this one, nobody can tell. */
  | {
      readonly what: "tag-lost";
      readonly repository: RepositoryName;
      readonly tag: Tag;
      readonly digest: Digest;
    }
  /** Bytes that were gone are back from the trash. */
  | Bytes<"restored">
  /** Bytes that are nowhere. */
  | (Bytes<"bytes-lost"> & { readonly tags: Some<Tag>; readonly manifests: Some<Digest> })
  /** The bytes that the trash had were damaged too; they are in quarantine. */
  | (Bytes<"quarantined"> & { readonly file?: string });

interface Bytes<What> {
  readonly what: What;
  readonly repository: RepositoryName;
  readonly digest: Digest;
  /** As the index has it. */
  readonly size: number;
  readonly as: "manifest" | "blob";
}

export interface RepairOptions {
  /** Where manifests go that no repository has, once a part of the index was damaged. */
  readonly into: RepositoryName;
  /** Tells what would be done, and changes nothing. */
  readonly dryRun?: boolean;
  readonly report?: (repair: Repair) => void;
  readonly signal?: AbortSignal;
}

/** How many of each. */
export interface Repaired extends Recovered {
  readonly indexes: number;
  readonly restored: number;
  /** Entries whose bytes are nowhere. They stay. */
  readonly lost: number;
}
