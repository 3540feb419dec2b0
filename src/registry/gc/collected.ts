import type { Digest } from "../../core/digest.ts";
import type { RepositoryName, Tag } from "../../core/name.ts";
import type { Pace } from "./pace.ts";
import type { Stay } from "./stays.ts";

/** What is removed, and why. */
export type Verdict =
  | {
      readonly what: "tag";
      readonly repository: RepositoryName;
      readonly tag: Tag;
      readonly digest: Digest;
      readonly why: string;
    }
  | {
      readonly what: "manifest" | "link";
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly why: string;
    }
  | {
      /** From where they go: the store, the trash, the quarantine. */
      readonly what: "blob" | "trash" | "quarantine";
      readonly digest: Digest;
      readonly size: number;
      readonly why: string;
    };

export interface CollectOptions {
  /** Tells what would be removed, and removes nothing. */
  readonly dryRun?: boolean;
  /** No server has been running that could have promised something. */
  readonly nothingPromised?: boolean;
  /** Told of everything that is removed, or would be. */
  readonly report?: (verdict: Verdict) => void;
  /** Told of everything that stays, and waited for. In a dry run. */
  readonly stays?: (stay: Stay) => Promise<void> | undefined;
  readonly signal?: AbortSignal;
}

export interface Collected {
  readonly tags: number;
  readonly manifests: number;
  readonly links: number;
  readonly blobs: number;
  /** Bytes that went to the trash. */
  readonly bytes: number;
  /** Blobs whose time in the trash was over. */
  readonly purged: number;
  readonly purgedBytes: number;
  /** Blobs, or what was left of them, whose time in quarantine was over. */
  readonly disposed: number;
  readonly disposedBytes: number;
  /** Blobs that stay. */
  readonly kept: number;
  /** Bytes that repositories have, each blob and manifest counted once. */
  readonly keptBytes: number;
  /**
   * ISO 8601; until then repositories are left as they are, because what was promised before the server's start is not
   * known.
   */
  readonly waitsUntil?: string;
}

/** Bytes that go. */
export type Removed = Extract<Verdict, { readonly size: number }>;

/** One collection while it runs. */
export interface Run {
  readonly options: CollectOptions;
  readonly tally: { -readonly [K in keyof Omit<Collected, "waitsUntil">]: number };
  readonly pace: Pace;
}
