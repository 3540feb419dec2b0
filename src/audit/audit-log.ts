import type { Commit } from "../index/port.ts";
import {
  lineOfQuarantining,
  lineOfRemoval,
  lineOfRepair,
  linesOf,
  type Quarantining,
  type Removal,
  type Repairing,
} from "./lines.ts";

/** Where the lines of an audit log go. */
export interface AuditLines {
  /** Takes one line, with its end. */
  add(line: string): void;
  /** Lines that could not be written, and never will be. */
  readonly lost: number;
  /** Goes on in the file that is under the name now. When that fails, the old one stays in use. */
  reopen(): Promise<void>;
  /** Writes what is waiting, if it can be written. */
  close(): Promise<void>;
}

/** For somebody else, who keeps them. */
export function elsewhere(add: (line: string) => void): AuditLines {
  const nothing = async () => {};
  return { add, lost: 0, reopen: nothing, close: nothing };
}

/** Writes down who changed what. */
export class AuditLog {
  readonly #lines: AuditLines;

  constructor(lines: AuditLines) {
    this.#lines = lines;
  }

  /** Lines that could not be written, and never will be. */
  get lost(): number {
    return this.#lines.lost;
  }

  committed(commit: Commit): void {
    for (const line of linesOf(commit)) this.#lines.add(line);
  }

  removed(removal: Removal): void {
    this.#lines.add(lineOfRemoval(removal));
  }

  quarantined(quarantining: Quarantining): void {
    this.#lines.add(lineOfQuarantining(quarantining));
  }

  repaired(repairing: Repairing): void {
    const line = lineOfRepair(repairing);
    if (line !== undefined) this.#lines.add(line);
  }

  /** Goes on in the file that is under the name now. When that fails, the old one stays in use. */
  async reopen(): Promise<void> {
    await this.#lines.reopen();
  }

  /** Writes what is waiting, if it can be written. */
  async close(): Promise<void> {
    await this.#lines.close();
  }
}
