import { availableParallelism } from "node:os";
import type { DigestAlgorithm } from "../core/digest.ts";
import { HashThread } from "./hash-thread.ts";

// More would only take processors from receiving and writing.
const THREADS_MAX = 4;

// Bytes that a thread hashes before others have their turn.
const SLICE = 8 * 1024 * 1024;

/**
 * Threads that hash what uploads bring, so that receiving, hashing and writing overlap. They start when they are
 * first needed, and keep the process alive only while they work. The state of a hash cannot leave its thread: a
 * session stays where it began.
 */
export class HashThreads {
  readonly #max = Math.min(THREADS_MAX, Math.max(1, availableParallelism() - 1));
  #threads: HashThread[] = [];

  /** Begins with a file's first byte. The caller ends the session with `digest` or `drop`. */
  begin(fd: number, algorithms: readonly DigestAlgorithm[]): HashSession {
    return new HashSession(this.leastBusy(), { fd, algorithms });
  }

  async close(): Promise<void> {
    const threads = this.#threads;
    this.#threads = [];
    await Promise.all(threads.map((thread) => thread.stop()));
  }

  /** The thread that the next session belongs to. */
  leastBusy(): HashThread {
    this.#threads = this.#threads.filter((thread) => thread.alive);
    const [first] = this.#threads.toSorted((a, b) => a.sessions - b.sessions);
    if (first !== undefined && (first.sessions === 0 || this.#threads.length >= this.#max)) return first;
    const thread = new HashThread();
    this.#threads.push(thread);
    return thread;
  }
}

/**
 * The hashes of one file from its beginning. The memory of what has been written moves to the thread, which frees it;
 * what is not at hand any more it reads from the file. After a failure it is good for nothing but `drop`.
 */
export class HashSession {
  readonly #thread: HashThread;
  readonly #session: number;
  #wanted = 0;
  #asked = 0;
  #reading: Promise<void> | undefined;
  /** The last chunks handed over; those before them are done with by then. */
  #taking: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #ended = false;

  constructor(
    thread: HashThread,
    about: { readonly fd: number; readonly algorithms: readonly DigestAlgorithm[] },
  ) {
    this.#thread = thread;
    this.#session = thread.enter();
    thread.tell({ type: "begin", session: this.#session, ...about });
  }

  /** Whether all bytes before `offset`, and no others, have been hashed or are waiting for it. */
  isAt(offset: number): boolean {
    return this.#reading === undefined && this.#asked === offset;
  }

  /** Has the bytes that follow hashed in the background, and takes their memory over. Resolves when it is free. */
  take(chunks: readonly Uint8Array<ArrayBuffer>[]): Promise<void> {
    this.#asked += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#wanted = this.#asked;
    const memory = chunks.map((chunk) => chunk.buffer);
    const request = { type: "take", session: this.#session, chunks } as const;
    this.#taking = this.#thread.ask(request, memory).then(
      () => undefined,
      (error: unknown) => this.#fail(error),
    );
    return this.#taking;
  }

  /** Has the file hashed up to `length`, in the background. */
  advance(length: number): void {
    this.#wanted = Math.max(this.#wanted, length);
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
  }

  /**
   * The digests in hexadecimal, in the order of the algorithms. Ends the session.
   * @throws UNAVAILABLE when the thread has died.
   */
  async digest(): Promise<readonly string[]> {
    await this.#reading;
    await this.#taking;
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#end();
    return (await this.#thread.ask({ type: "digest", session: this.#session })).digests;
  }

  /** Ends the session; when it resolves, the thread does not read from the file any more. Idempotent. */
  async drop(): Promise<void> {
    if (this.#ended) return;
    this.#end();
    this.#wanted = this.#asked;
    await this.#reading;
    await this.#taking;
    this.#thread.tell({ type: "drop", session: this.#session });
  }

  async #read(): Promise<void> {
    try {
      while (this.#asked < this.#wanted) {
        this.#asked = Math.min(this.#wanted, this.#asked + SLICE);
        await this.#thread.ask({ type: "read", session: this.#session, to: this.#asked });
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#asked = Number.POSITIVE_INFINITY;
  }

  #end(): void {
    this.#ended = true;
    this.#thread.leave();
  }
}
