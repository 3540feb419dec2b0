import type { BlobStore, Inspected, Moved } from "../../blobs/port.ts";
import type { Holds } from "../../cluster/port.ts";
import type { Digest } from "../../core/digest.ts";
import type { Index } from "../../index/port.ts";
import { Pace } from "../gc/pace.ts";
import { type Need, whoNeeds } from "./needs.ts";
import { type Progress, ProgressMeter } from "./progress.ts";
import { Rate } from "./rate.ts";
import { damageOf, type Reading, unreadable } from "./read.ts";
import { emptyTally, ScrubRecord, type ScrubTally } from "./record.ts";

/** A blob that is not what it should be. */
export interface Rot {
  readonly digest: Digest;
  /** Bytes, as found; absent when it cannot even be opened. */
  readonly size?: number;
  /**
   * `quarantined`: its bytes are others, and it is not served any more. `kept`: its bytes are others, and somebody is
   * just about to use or to replace it. `unreadable`: the disk does not give its bytes; it may again.
   */
  readonly what: "quarantined" | "kept" | "unreadable";
  readonly why: string;
  /** Where its bytes are, once quarantined; absent for a store in memory. */
  readonly file?: string;
  /** ISO 8601; the file stays until then at least. */
  readonly until?: string;
  readonly neededBy: readonly Need[];
}

export interface ScrubberOptions {
  /** Milliseconds for which what is quarantined can be looked into. */
  readonly keep: number;
  /** Told of every blob that is damaged, whoever scrubs. */
  readonly onRot?: ((rot: Rot) => void) | undefined;
}

export interface ScrubOptions {
  /** Bytes a second to be read at most. Default: no limit but the processor's half. */
  readonly rate?: number;
  /** Begins behind this blob. */
  readonly after?: Digest | undefined;
  /** Told of every blob that is damaged. */
  readonly report?: ((rot: Rot) => void) | undefined;
  /** Told of every blob that is done with, and waited for. */
  readonly passed?: (digest: Digest) => Promise<void> | undefined;
  readonly progress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Scrubbed {
  /** That were read, the damaged ones among them. */
  readonly blobs: number;
  readonly bytes: number;
  readonly quarantined: number;
  readonly kept: number;
  readonly unreadable: number;
}

/** Reads every blob, compares it with its digest, and takes what is damaged out of service. */
export class Scrubber {
  readonly record = new ScrubRecord();
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #holds: Holds;
  readonly #options: ScrubberOptions;
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(stores: { blobs: BlobStore; index: Index; holds: Holds }, options: ScrubberOptions) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#holds = stores.holds;
    this.#options = options;
  }

  /** Several may run at once. @throws what the signal says, or an AbortError when the scrubber is closed */
  async scrub(options: ScrubOptions = {}): Promise<Scrubbed> {
    const signals = [this.#abort.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const signal = AbortSignal.any(signals);
    const scrubbing = this.#scrub(options, signal);
    this.#running.add(scrubbing);
    try {
      const scrubbed = await scrubbing;
      this.record.success();
      return scrubbed;
    } catch (error) {
      if (!signal.aborted) this.record.failed += 1;
      throw error;
    } finally {
      this.#running.delete(scrubbing);
    }
  }

  /** Breaks off what runs. */
  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled(this.#running);
  }

  async #scrub(options: ScrubOptions, signal: AbortSignal): Promise<Scrubbed> {
    const { rate = Number.POSITIVE_INFINITY, progress } = options;
    const pace = new Pace(signal);
    const meter = progress && new ProgressMeter(await this.#measure(pace), progress);
    const tally = emptyTally();
    const count = (what: keyof ScrubTally, much = 1) => {
      tally[what] += much;
      this.record.tally[what] += much;
    };
    const onPiece = (bytes: number) => {
      count("bytes", bytes);
      meter?.add(bytes);
    };
    const reading = { pace, rate: new Rate(rate, signal), signal };
    for await (const digest of this.#blobs.list(options.after)) {
      await pace.step();
      const found = await this.#examine(digest, { ...reading, onPiece }, reading);
      if (found !== "gone") count("blobs");
      if (typeof found === "object") {
        count(found.what);
        this.#options.onRot?.(found);
        options.report?.(found);
      }
      await options.passed?.(digest);
    }
    return tally;
  }

  async #measure(pace: Pace): Promise<number> {
    let total = 0;
    for await (const digest of this.#blobs.list()) {
      await pace.step();
      const inspected = await this.#blobs.inspect(digest).catch(unreadable);
      if (inspected === undefined || "why" in inspected) continue;
      total += inspected.handle.size;
      await inspected.handle.close();
    }
    return total;
  }

  /** What seems damaged is opened and read once more before that is believed: a push may just have replaced it. */
  async #examine(digest: Digest, first: Reading, again: Reading): Promise<Rot | "sound" | "gone"> {
    const seen = await this.#compare(digest, first, async () => undefined);
    if (typeof seen !== "object") return seen;
    // Nobody can publish a blob while it is moved: who wants to waits until that is done.
    const found = await this.#compare(digest, again, (inspected) =>
      this.#holds.unlessUsed(digest, () => inspected.quarantine()),
    );
    if (typeof found !== "object") return found;
    return { digest, ...found, neededBy: await whoNeeds(this.#index, digest, again.pace) };
  }

  /** @param remove false when other bytes have taken the place of those inspected, `undefined` when they have to stay */
  async #compare(
    digest: Digest,
    reading: Reading,
    remove: (inspected: Inspected) => Promise<Moved | false | undefined>,
  ): Promise<Omit<Rot, "digest" | "neededBy"> | "sound" | "gone"> {
    const inspected = await this.#blobs.inspect(digest).catch(unreadable);
    if (inspected === undefined) return "gone";
    if ("why" in inspected) return inspected;
    const { handle } = inspected;
    const { size } = handle;
    try {
      const damage = await damageOf(handle, reading);
      if (damage === undefined) return "sound";
      if (damage.what === "unreadable") return { size, ...damage };
      const moved = await remove(inspected);
      // They were stored a moment ago, and compared then.
      if (moved === false) return "sound";
      if (moved === undefined) return { size, what: "kept", why: damage.why };
      return { size, what: "quarantined", why: damage.why, ...this.#whereabouts(moved) };
    } finally {
      await handle.close();
    }
  }

  #whereabouts({ file }: Moved): Pick<Rot, "file" | "until"> {
    if (file === undefined) return {};
    return { file, until: new Date(Date.now() + this.#options.keep).toISOString() };
  }
}
