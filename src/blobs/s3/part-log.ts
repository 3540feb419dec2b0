import type { Part } from "./catalog.ts";
import type { CutPart } from "./part-intake.ts";

/** A part that S3 has, without its bytes. */
export interface SentPart extends Omit<CutPart, "payload"> {
  readonly part: Part;
}

/**
 * Enters the parts of one upload into the catalog, in their order: those that are sent while it answers, all at once.
 * Whoever sends the next part need not wait for that. After a failure it is good for nothing.
 */
export class PartLog {
  readonly #enter: (parts: readonly SentPart[]) => Promise<void>;
  /** Resolves when all parts that were added have been sent, and wait to be entered. */
  #sent: Promise<void> = Promise.resolve();
  #waiting: SentPart[] = [];
  #entering: Promise<void> | undefined;

  /** @param enter is given one part or more, and not called again before it has resolved. */
  constructor(enter: (parts: readonly SentPart[]) => Promise<void>) {
    this.#enter = enter;
  }

  /** Call it in the order of the parts. Resolves when the part is sent; throws why it is not. */
  async add(sending: Promise<SentPart>): Promise<void> {
    this.#sent = Promise.all([sending, this.#sent]).then(([part]) => this.#push(part));
    this.#sent.catch(() => undefined);
    await sending;
  }

  /** When it is over, nothing is being entered any more. Throws why a part is not. */
  async settle(): Promise<void> {
    const [sent] = await Promise.allSettled([this.#sent]);
    await this.#entering;
    if (sent.status === "rejected") throw sent.reason;
  }

  #push(part: SentPart): void {
    this.#waiting.push(part);
    this.#entering ??= this.#enterAll();
    this.#entering.catch(() => undefined);
  }

  async #enterAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#enter(this.#waiting.splice(0));
    this.#entering = undefined;
  }
}
