import { LayerdError } from "../../core/errors.ts";
import { free } from "../chunk-memory.ts";
import { Head } from "../head.ts";
import type { Payload } from "./bucket.ts";
import type { Hashes } from "./hashes.ts";
import { PartBuffer } from "./part-buffer.ts";
import { earlySize, PARTS_MAX, partSize } from "./part-sizes.ts";
import type { Slots } from "./slots.ts";

// Parts that are being sent while the next one gathers.
const SENDING_MAX = 2;

/** A part that has gathered, and where the content stands at its end. */
export interface CutPart {
  readonly payload: Payload;
  /** Bytes of the content until here. */
  readonly end: number;
  readonly head: Buffer;
  /** The states of the hashes here. */
  readonly hashes: readonly Buffer[];
}

export interface IntakeOptions {
  readonly hashes: Hashes;
  /** Shared with all other uploads. */
  readonly slots: Slots;
  /** Stores a part; called in the order of the parts, before earlier ones are stored. */
  readonly store: (part: CutPart) => Promise<void>;
  /** Where an upload that is resumed stands. */
  readonly from?: {
    /** The number that its next part gets, and bytes in the parts before. */
    readonly part: number;
    readonly offset: number;
    /** Bytes that follow, which the hashes have seen. */
    readonly tail: readonly Buffer[];
    readonly head: Buffer;
  };
}

/**
 * Cuts what arrives into parts, and has them stored while the next bytes arrive. It holds three parts at most,
 * however fast a client sends. After a failure it takes nothing more.
 */
export class PartIntake {
  readonly hashes: Hashes;
  readonly #slots: Slots;
  readonly #store: (part: CutPart) => Promise<void>;
  readonly #head: Head;
  readonly #sending = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #number: number;
  /** Bytes before the buffer. */
  #start: number;
  #buffer: PartBuffer;

  constructor({ hashes, slots, store, from }: IntakeOptions) {
    this.hashes = hashes;
    this.#slots = slots;
    this.#store = store;
    this.#number = from?.part ?? 1;
    this.#start = from?.offset ?? 0;
    this.#head = new Head(from?.head);
    this.#buffer = new PartBuffer(partSize(this.#number));
    for (const piece of from?.tail ?? []) this.#buffer.append(piece);
  }

  /** Bytes taken. */
  get offset(): number {
    return this.#start + this.#buffer.length;
  }

  get head(): Buffer {
    return this.#head.upTo(this.offset);
  }

  /** The bytes behind the last part that was cut. */
  get rest(): Buffer {
    return this.#buffer.bytes;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Copies a chunk; with a promise when no more should come for now. Throws what went wrong before. */
  take(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (chunk.length > this.#buffer.room) return this.#cutAndTake(chunk);
    this.#fill(chunk);
    return undefined;
  }

  /** Sends the rest as a part when it is long enough for one that others may follow. */
  async cutEarly(): Promise<void> {
    if (this.#buffer.length >= earlySize(this.#number)) await this.#cut();
  }

  /** The rest, as the last part or the whole object. */
  last(): Payload {
    return this.#buffer.payload();
  }

  /** Resolves when all parts that were cut are stored; throws what went wrong. */
  async settle(): Promise<void> {
    await Promise.all(this.#sending);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #cutAndTake(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#buffer.room === 0) await this.#cut();
      const piece = rest.subarray(0, this.#buffer.room);
      this.#fill(piece);
      rest = rest.subarray(piece.length);
    }
  }

  #fill(bytes: Uint8Array): void {
    this.#head.see(bytes);
    this.hashes.update(bytes);
    this.#buffer.append(bytes);
  }

  async #cut(): Promise<void> {
    // The last number is for what is left in the end.
    if (this.#number >= PARTS_MAX) throw new LayerdError("SIZE_INVALID", "the upload has too many parts");
    while (this.#sending.size >= SENDING_MAX) await Promise.race(this.#sending);
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#slots.take();
    const { offset, head } = this;
    this.#send({ payload: this.#buffer.payload(), end: offset, head, hashes: this.hashes.save() });
    this.#start = offset;
    this.#number += 1;
    this.#buffer = new PartBuffer(partSize(this.#number), true);
  }

  #send(part: CutPart): void {
    const sending = this.#store(part).then(
      () => free(part.payload.bytes),
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
    this.#sending.add(sending);
    sending.then(() => {
      this.#slots.give();
      this.#sending.delete(sending);
    });
  }
}
