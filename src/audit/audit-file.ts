import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { AppendError, RotatingFile, type RotationOptions } from "./rotating-file.ts";

// Bytes of lines that wait in memory while they cannot be written; what comes then is lost.
const BACKLOG = 16 * 1024 * 1024;
// Bytes written at a time: a file is put aside between two of them.
const BATCH = 64 * 1024;
const TRY_AGAIN_AFTER = 1000;

/** Who is told when there is trouble. pino's shape. */
export interface AuditTrouble {
  warn(about: object, message: string): void;
  error(about: object, message: string): void;
}

/**
 * The lines of an audit log on their way to its file, behind the requests: none waits for it, and none fails because
 * of it. While the file cannot be written, lines wait in memory, up to a limit.
 */
export class AuditFile {
  readonly #file: RotatingFile;
  readonly #log: AuditTrouble;
  readonly #closing = new AbortController();
  /** Lines that wait. */
  #waiting: Buffer[] = [];
  #bytes = 0;
  #lost = 0;
  #writing: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #failing = false;

  private constructor(file: RotatingFile, log: AuditTrouble) {
    this.#file = file;
    this.#log = log;
  }

  /** Throws the system's error when the file cannot be written. */
  static async open(
    path: string,
    options: RotationOptions & { readonly log: AuditTrouble },
  ): Promise<AuditFile> {
    return new AuditFile(await RotatingFile.open(path, options), options.log);
  }

  /** Lines that could not be written, and never will be. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes one line, with its end. */
  add(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#bytes + bytes.length > BACKLOG) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    this.#writing ??= this.#write();
  }

  /** Goes on in the file that is under the name now. When that fails, the old one stays in use. */
  async reopen(): Promise<void> {
    await this.#alone(() => this.#file.reopen());
  }

  /** Writes what is waiting, if it can be written. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writing;
    await this.#alone(() => this.#file.close());
  }

  async #write(): Promise<void> {
    // What comes in the same turn of the event loop is written together.
    await nextTurn();
    while (this.#waiting.length > 0) {
      if (await this.#alone(() => this.#writeSome())) continue;
      if (this.#closing.signal.aborted) this.#giveUp();
      else await this.#pause();
    }
    // In the same moment in which nothing waits: what is added from now on begins anew.
    this.#writing = undefined;
  }

  /** Whether it could. */
  async #writeSome(): Promise<boolean> {
    const next = this.#waiting[0]?.length ?? 0;
    if (next > this.#file.room && !this.#file.isEmpty) await this.#rotate();
    const bytes = Buffer.concat(this.#next());
    try {
      await this.#file.append(bytes);
      this.#forget(bytes.length);
    } catch (error) {
      this.#forget(error instanceof AppendError ? error.written : 0);
      if (!this.#failing) this.#log.error({ err: error }, "the audit log cannot be written: its lines wait");
      this.#failing = true;
      return false;
    }
    if (this.#failing) this.#log.warn({ lost: this.#lost }, "the audit log is being written again");
    this.#failing = false;
    return true;
  }

  /** As many of the lines that wait as are written at a time, and fit into the file. */
  #next(): Buffer[] {
    const most = Math.min(BATCH, this.#file.room);
    let bytes = 0;
    const end = this.#waiting.findIndex((line, index) => {
      bytes += line.length;
      return index > 0 && bytes > most;
    });
    return end === -1 ? this.#waiting : this.#waiting.slice(0, end);
  }

  /** The first of the lines that wait, whole ones of so many bytes together, wait no longer. */
  #forget(bytes: number): void {
    let left = bytes;
    const kept = this.#waiting.findIndex((line) => {
      left -= line.length;
      return left < 0;
    });
    this.#waiting = kept === -1 ? [] : this.#waiting.slice(kept);
    this.#bytes -= bytes;
  }

  /** A file that cannot be put aside goes on growing: better than lines that are lost. */
  async #rotate(): Promise<void> {
    try {
      await this.#file.rotate();
    } catch (err) {
      this.#log.error({ err }, "the audit log could not be put aside: it grows until that works");
    }
  }

  #giveUp(): void {
    const lines = this.#waiting.length;
    this.#lost += lines;
    this.#waiting = [];
    this.#log.error({ lines }, "lines of the audit log are lost: it could not be written");
  }

  async #pause(): Promise<void> {
    const { signal } = this.#closing;
    // Closing ends the wait: one more try, then.
    await wait(TRY_AGAIN_AFTER, undefined, { signal, ref: false }).catch(() => undefined);
  }

  /** Between two writes, never within one. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
