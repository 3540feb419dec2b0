import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { LayerdError } from "../core/errors.ts";
import { toStoreError } from "./disk.ts";
import type { HashAnswer, HashReply, HashRequest } from "./hash-worker.ts";

interface Question {
  resolve(answer: HashAnswer): void;
  reject(error: unknown): void;
}

/** One of the threads that hash, as the main thread sees it. */
export class HashThread {
  #sessions = 0;
  #last = 0;
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

  /** Sessions that have begun and not ended. */
  get sessions(): number {
    return this.#sessions;
  }

  /** A session begins, which must `leave` when it ends. @returns its number, which no other one gets. */
  enter(): number {
    this.#sessions += 1;
    this.#last += 1;
    return this.#last;
  }

  leave(): void {
    this.#sessions -= 1;
  }

  tell(request: HashRequest): void {
    this.#worker.postMessage(request);
  }

  /**
   * @param memory that moves to the thread along with the request.
   * @throws UNAVAILABLE when the thread has died; memory that it was to give back is lost then.
   */
  ask(request: HashRequest, memory: readonly ArrayBuffer[] = []): Promise<HashAnswer> {
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
    else question?.resolve(reply);
  }

  #died(cause: Error): void {
    this.#death ??= new LayerdError("UNAVAILABLE", undefined, { cause });
    for (const question of this.#questions.splice(0)) question.reject(this.#death);
  }
}
