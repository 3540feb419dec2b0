import cluster, { type Worker } from "node:cluster";
import { ConfigError, type Source } from "../../config.ts";
import type { Samples } from "../../create.ts";
import { StartError } from "../failures.ts";
import type { Log } from "../log.ts";
import { closeWithWorker } from "./handovers.ts";
import type { Order, Report } from "./messages.ts";

/** Milliseconds after which a worker that says nothing is not waited for. */
const ANSWER_WITHIN = 5000;

export interface Surroundings {
  readonly log: Log;
  /** Takes a line of the audit log. */
  readonly audit: (line: string) => void;
}

/** One worker, as the first process sees it. */
export class WorkerProcess {
  /** No other worker ever has the same. */
  readonly id: number;
  /** Resolves with the port. Rejects with StartError or ConfigError when it ends before it listens. */
  readonly listening: Promise<number>;
  /** Resolves with how it ended, when all that it has said has arrived. */
  readonly ended: Promise<string>;
  readonly #worker: Worker;
  readonly #started = Promise.withResolvers<number>();
  readonly #questions = new Map<number, (samples: Samples | undefined) => void>();
  #asked = 0;
  #listens = false;

  constructor(number: number, sources: readonly Source[], { log, audit }: Surroundings) {
    const worker = cluster.fork();
    this.#worker = worker;
    this.id = worker.id;
    // Without memory or descriptors for a process there is none, and its end comes at once.
    const { pid, stdout } = worker.process;
    let fault: string | undefined;
    worker.on("error", ({ message }: Error) => {
      if (pid === undefined) fault = message;
    });
    if (pid !== undefined) closeWithWorker(worker.process);
    worker.on("message", (report: Report) => this.#hear(report, audit));
    stdout?.setEncoding("utf8");
    if (stdout) forwardLines(stdout, log);
    this.listening = this.#started.promise;
    // Whoever waits for it is told; nobody need.
    this.listening.catch(() => undefined);
    this.ended = new Promise((ended) => {
      worker.process.once("close", (code: number | null, signal: string | null) => {
        const how = fault ?? signal ?? `exit code ${code}`;
        this.#end(how);
        ended(how);
      });
    });
    this.tell({ type: "start", number, sources });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** Whether it can be asked. */
  get listens(): boolean {
    return this.#listens;
  }

  /** One that is about to end hears nothing any more, and `ended` tells. */
  tell(order: Order): void {
    if (this.#worker.isConnected()) this.#worker.send(order, () => undefined);
  }

  /** What it has counted; `undefined` when it does not say. */
  async measure(): Promise<Samples | undefined> {
    this.#asked += 1;
    const question = this.#asked;
    const { promise, resolve } = Promise.withResolvers<Samples | undefined>();
    this.#questions.set(question, resolve);
    const late = setTimeout(resolve, ANSWER_WITHIN, undefined);
    this.tell({ type: "measure", question });
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      this.#questions.delete(question);
    }
  }

  #hear(report: Report, audit: (line: string) => void): void {
    switch (report.type) {
      case "listening":
        this.#listens = true;
        this.#started.resolve(report.port);
        return;
      case "failed": {
        const { message, misused } = report;
        this.#started.reject(misused ? new ConfigError(message) : new StartError(message));
        return;
      }
      case "audit":
        for (const line of report.lines) audit(line);
        return;
      case "measured":
        this.#questions.get(report.question)?.(report.samples);
        return;
      default:
        report satisfies never;
    }
  }

  #end(how: string): void {
    this.#listens = false;
    this.#started.reject(new StartError(`a worker ended before it listened: ${how}`));
    for (const answer of this.#questions.values()) answer(undefined);
  }
}

/** Whole lines only: what a worker has not ended when it dies is no line. */
function forwardLines(output: NodeJS.ReadableStream, { forward }: Log): void {
  let rest = "";
  output.on("data", (text: string) => {
    const end = text.lastIndexOf("\n") + 1;
    if (end > 0) forward?.(rest + text.slice(0, end));
    rest = end > 0 ? text.slice(end) : rest + text;
  });
}
