import type { ScrubNotes } from "../../blobs/port.ts";
import type { Cluster } from "../../cluster/port.ts";
import type { Digest } from "../../core/digest.ts";
import type { Rot, Scrubbed, Scrubber } from "./scrubber.ts";

export interface ScrubsOptions {
  /** `undefined` scrubs nothing by itself. */
  readonly background: Background | undefined;
  /** Told of every blob that is damaged, also of what was found by hand. */
  readonly onRot?: (rot: Rot) => void;
  /** Told of what a pass, or the rest of one that a restart broke off, has come to. */
  readonly onScrubbed?: (scrubbed: Scrubbed) => void;
}

interface Background {
  /** Bytes a second. */
  readonly rate: number;
  /** Milliseconds from the end of one pass to the next. */
  readonly interval: number;
  readonly notes: ScrubNotes;
}

// Milliseconds after a start, and after a failure, in which there is other work to do.
const FIRST_WAIT = 600_000;
// Milliseconds of reading that a restart may cost.
const NOTE_EVERY = 10_000;

/** Scrubs again and again, one server at a time, also over restarts: a pass that was broken off goes on where it was. */
export class Scrubs {
  readonly #scrubber: Scrubber;
  readonly #cluster: Cluster;
  readonly #options: ScrubsOptions;
  readonly #onError: (error: unknown, what: string) => void;
  #next: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(
    scrubber: Scrubber,
    cluster: Cluster,
    options: { readonly scrub: ScrubsOptions; readonly onError: (error: unknown, what: string) => void },
  ) {
    this.#scrubber = scrubber;
    this.#cluster = cluster;
    this.#options = options.scrub;
    this.#onError = options.onError;
    const { background } = options.scrub;
    if (background !== undefined) this.#wait(Math.min(FIRST_WAIT, background.interval), background);
  }

  /** Breaks off all scrubbing, and notes how far it has come. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#next);
    await this.#scrubber.close();
    await this.#running;
  }

  #wait(milliseconds: number, background: Background): void {
    if (this.#closed) return;
    this.#next = setTimeout(() => {
      this.#running = this.#pass(background);
    }, milliseconds).unref();
  }

  async #pass(background: Background): Promise<void> {
    try {
      const turn = await this.#cluster.alone({ name: "scrub" }, (lost) => this.#scrubIfDue(background, lost));
      this.#wait("result" in turn ? turn.result : turn.dueIn, background);
    } catch (error) {
      if ((error as Error).name !== "AbortError") this.#onError(error, "scrubbing");
      this.#wait(Math.min(FIRST_WAIT, background.interval), background);
    }
  }

  /** @returns milliseconds to the next pass. */
  async #scrubIfDue({ rate, interval, notes }: Background, signal: AbortSignal): Promise<number> {
    const { after, finishedAt } = await notes.read();
    const left = finishedAt === undefined ? 0 : Date.parse(finishedAt) + interval - Date.now();
    // More than an interval is left only where the clock was wrong.
    if (left > 0) return Math.min(left, interval);
    const bookmark = new Bookmark(notes, after);
    try {
      const passed = (digest: Digest) => bookmark.moveTo(digest);
      this.#options.onScrubbed?.(await this.#scrubber.scrub({ rate, after, passed, signal }));
    } catch (error) {
      await bookmark.write();
      throw error;
    }
    await notes.write({ finishedAt: new Date().toISOString() });
    return interval;
  }
}

/** How far a pass has come, written down now and then. */
class Bookmark {
  readonly #notes: ScrubNotes;
  #after: Digest | undefined;
  #writtenAt = performance.now();

  constructor(notes: ScrubNotes, after: Digest | undefined) {
    this.#notes = notes;
    this.#after = after;
  }

  moveTo(digest: Digest): Promise<void> | undefined {
    this.#after = digest;
    return performance.now() - this.#writtenAt < NOTE_EVERY ? undefined : this.write();
  }

  async write(): Promise<void> {
    this.#writtenAt = performance.now();
    await this.#notes.write(this.#after === undefined ? {} : { after: this.#after });
  }
}
