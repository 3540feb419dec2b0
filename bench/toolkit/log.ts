import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/** The raw log: a JSON line for everything that was measured, so that every figure can be traced and redone. */
export class RunLog {
  readonly path: string;
  readonly #configurations = new Map<string, string>();

  /** @param directory is created when it is not there. */
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.path = join(directory, `${new Date().toISOString().replace(/[:.]/g, "-")}.jsonl`);
  }

  /** The configuration last used of each contender, ports and directories replaced by names. */
  get configurations(): ReadonlyMap<string, string> {
    return this.#configurations;
  }

  record(type: string, facts: object): void {
    appendFileSync(this.path, `${JSON.stringify({ time: new Date().toISOString(), type, ...facts })}\n`);
  }

  /** Tells whoever waits at the terminal, and the log. */
  say(text: string): void {
    process.stdout.write(`${text}\n`);
    this.record("said", { text });
  }

  /** @param names for what differs from run to run, in the order of replacing. */
  configuration(contender: string, text: string, names: readonly [value: string, name: string][] = []): void {
    this.record("configuration", { contender, text });
    const general = names.reduce((all, [value, name]) => all.replaceAll(value, name), text);
    this.#configurations.set(contender, general);
  }
}
