import type { Report } from "./messages.ts";

/** Tells the first process, and resolves when it has been told. Without it, this one ends too. */
export async function report(what: Report): Promise<void> {
  await new Promise<void>((told) => {
    process.send?.(what, undefined, {}, () => told());
  });
}

/** Lines of the audit log on their way to the first process, those of one turn of the event loop together. */
export class AuditLines {
  #lines: string[] = [];
  #sending: Promise<void> = Promise.resolve();

  add(line: string): void {
    if (this.#lines.push(line) > 1) return;
    this.#sending = new Promise((sent) => setImmediate(() => this.#send().then(sent)));
  }

  /** Resolves when all of them have been handed over. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    await report({ type: "audit", lines });
  }
}
