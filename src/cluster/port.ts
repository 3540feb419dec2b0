import type { Awaitable } from "../core/awaitable.ts";
import type { Digest } from "../core/digest.ts";

/*
 * What processes that use the same stores agree on: who is about to rely on which blob, and who does what only one of
 * them should do. A process that is alone agrees with itself.
 */

/** What one piece of work holds. `using` lets go of it. */
export interface Hold extends Disposable {
  /**
   * Keeps a blob from being discarded, from before it is looked for or published until an index says that it is
   * needed. To be waited for when there is something to wait for.
   */
  readonly add: (digest: Digest) => Promise<void> | undefined;
}

/**
 * Keeps garbage collection off what is about to be linked. Between a blob being there and a link to it being durable,
 * nothing in the stores says that it is needed; here it is said, to whoever collects.
 */
export interface Holds {
  open(): Hold;
  /** Whether a piece of work of this process is known to hold it right now. */
  has(digest: Digest): boolean;
  /**
   * From now on, remembers what is held or has been: whoever then reads the index misses nothing that came in
   * meanwhile. Ends with the next call, or with `forget`.
   */
  remember(): Awaitable<void>;
  forget(): void;
  /**
   * Runs `discard`, unless the blob is held, has been since `remember`, or is just being discarded by another;
   * `undefined` when it is or has. What was discarded although that could not be made sure of, `restore` brings back.
   */
  unlessHeld<T>(
    digest: Digest,
    discard: () => Promise<T>,
    restore?: () => Promise<unknown>,
  ): Promise<T | undefined>;
  /** Runs `work`, which takes a damaged blob out of sight, unless somebody is known to be using or replacing it. */
  unlessUsed<T>(digest: Digest, work: () => Promise<T>): Promise<T | undefined>;
}

/** Something that one process at a time does. */
export interface Duty {
  /** Names it among all processes. */
  readonly name: string;
  /** Milliseconds from its end to when it is due again, whoever did it. Default: it is always due. */
  readonly every?: number;
}

export interface Cluster {
  /** Whether others may be using the same stores right now. */
  readonly shared: boolean;
  readonly holds: Holds;
  /**
   * Does something, unless another process is just doing it, or it is not due yet. Two may do it at the same time for
   * a while, when one of them has lost its connection and does not know yet: what is done must bear that.
   * @param work its signal aborts when another process may have taken over.
   */
  alone<T>(duty: Duty, work: (signal: AbortSignal) => Promise<T>): Promise<Turn<T>>;
  /** Waits for what is running. Idempotent. */
  close(): Promise<void>;
}

/** What came of a duty: done, with its result, or not, and in how many milliseconds it is worth asking again. */
export type Turn<T> = { readonly result: T } | { readonly dueIn: number };

/** Kept from others as long as it is held. */
export interface Lock {
  /** Aborts, with an error for who is at work, when it may be somebody else's by now, or somebody else has asked for it. */
  readonly signal: AbortSignal;
  /** Whether it may be somebody else's by now: whoever has it has not been asked first. */
  readonly lost: boolean;
  release(): Promise<void>;
}

/** Locks by name, among processes. */
export interface Locks {
  /**
   * Resolves with the lock; whoever holds it is asked to let go, and waited for.
   * @throws UNAVAILABLE when it is not let go of in time.
   */
  take(name: string): Promise<Lock>;
}
