import type { Digest, DigestAlgorithm } from "../../core/digest.ts";
import type { BlobStat } from "../port.ts";
import type { StoredObject } from "./catalog.ts";

/** The bytes of one upload on their way into the bucket. One call at a time; `settle` ends what goes on behind. */
export interface S3Content {
  readonly resumable: boolean;
  readonly offset: number;
  readonly head: Buffer;
  readonly note: unknown;
  readonly committed: BlobStat | undefined;
  /** Of the digests that are wanted, the one that names the blob first. */
  readonly algorithms: readonly DigestAlgorithm[];
  /** Bytes in memory that `shrink` lets go of without losing anything. */
  readonly idleBytes: number;
  /** Becomes what is stored, when another server has gone on with it. False when there is nothing any more. */
  refresh(): Promise<boolean>;
  /** To be called before the first `take`. */
  open(): Promise<void>;
  take(chunk: Uint8Array): Promise<void> | undefined;
  sync(): Promise<void>;
  amend(note: unknown): Promise<void>;
  /** The digests that were computed as the bytes came: by all algorithms, or none when that was on several servers. */
  digests(): Promise<readonly Digest[]>;
  /** Makes the bytes one object. Resolves with its key. */
  finish(digests: readonly Digest[]): Promise<string>;
  /** @param digests all that are known; the blob's own comes first. */
  publish(object: StoredObject, digests: readonly Digest[]): Promise<void>;
  /** After a failure: lets go of what is not stored, and looks again before anything else. */
  reset(): Promise<void>;
  /** Lets go of bytes in memory that are stored, when nobody works on it; they are read when they are needed. */
  shrink(): void;
  /** Lets go of everything in memory; what is stored stays. */
  close(): Promise<void>;
  /** Removes what is stored and not published. */
  remove(): Promise<void>;
}
