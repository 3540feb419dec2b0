import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { DigestAlgorithm } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import { toStoreError } from "./disk.ts";
import type { HashReply, HashRequest } from "./hash-worker.ts";

// More would only take processors from receiving and writing.
const THREADS_MAX = 4;

// Bytes that a thread hashes before others have their turn.
const SLICE = 8 * 1024 * 1024;

/**
 * Threads that hash files while they are being written, so that receiving, hashing and writing an upload
 * overlap. The memory of what has been written moves to the thread, which frees it; what is not at hand any more
 * it reads from the file. Threads start when they are first needed, and keep the process
 * alive only while they work. The state of a hash cannot leave its thread: a session stays where it began.
 */
export class HashThreads {
  readonly #max = Math.min(THREADS_MAX, Math.max(1, availableParallelism() - 1));
  #threads: HashThread[] = [];
  #sessions = 0;

  /** Begins with a file's first byte. The caller ends the session with `digest` or `drop`. */
  begin(fd: number, algorithms: readonly DigestAlgorithm[]): HashSession {
    this.#sessions += 1;
    return new HashSession(this.#leastBusy(), { session: this.#sessions, fd, algorithms });
  }

  async close(): Promise<void> {
    const threads = this.#threads;
    this.#threads = [];
    await Promise.all(threads.map((thread) => thread.stop()));
  }

  #leastBusy(): HashThread {
    this.#threads = this.#threads.filter((thread) => thread.alive);
    const [first] = this.#threads.toSorted((a, b) => a.sessions - b.sessions);
    if (first !== undefined && (first.sessions === 0 || this.#threads.length >= this.#max)) return first;
    const thread = new HashThread();
    this.#threads.push(thread);
    return thread;
  }
}

/** The hashes of one file from its beginning. After a failure it is good for nothing but `drop`. */
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
    about: { readonly session: number; readonly fd: number; readonly algorithms: readonly DigestAlgorithm[] },
  ) {
    this.#thread = thread;
    this.#session = about.session;
    thread.sessions += 1;
    thread.tell({ type: "begin", ...about });
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
    return await this.#thread.ask({ type: "digest", session: this.#session });
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
    this.#thread.sessions -= 1;
  }
}

interface Question {
  resolve(digests: readonly string[]): void;
  reject(error: unknown): void;
}

class HashThread {
  sessions = 0;
  readonly #worker: Worker;
  /** Asked and not answered yet; answers come in the order of the questions. */
  readonly #questions: Question[] = [];
  #death: LayerdError | undefined;

  constructor() {
    // Compiled code has a worker of the same kind beside it.
    const file = new URL(`./hash-worker${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(file, { name: "layerd-hash", execArgv: [] });
    this.#worker.unref();
    this.#worker.on("message", (reply: HashReply) => this.#answered(reply));
    this.#worker.on("error", (error) => this.#died(error));
    this.#worker.on("exit", () => this.#died(new Error("the hashing thread has ended")));
  }

  get alive(): boolean {
    return this.#death === undefined;
  }

  tell(request: HashRequest): void {
    this.#worker.postMessage(request);
  }

  /** @param memory that moves to the thread along with the request. */
  ask(request: HashRequest, memory: readonly ArrayBuffer[] = []): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      if (this.#death !== undefined) return reject(this.#death);
      if (this.#questions.length === 0) this.#worker.ref();
      this.#questions.push({ resolve, reject });
      this.#worker.postMessage(request, memory);
    });
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #answered(reply: HashReply): void {
    const question = this.#questions.shift();
    if (this.#questions.length === 0) this.#worker.unref();
    if ("error" in reply) question?.reject(toStoreError(reply.error));
    else question?.resolve(reply.digests);
  }

  #died(cause: Error): void {
    this.#death ??= new LayerdError("UNAVAILABLE", undefined, { cause });
    for (const question of this.#questions.splice(0)) question.reject(this.#death);
  }
}
