import type { Digest } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import type { Slots } from "../../core/slots.ts";
import { free } from "../chunk-memory.ts";
import { Head } from "../head.ts";
import type { Payload } from "./bucket.ts";
import { PartBuffer } from "./part-buffer.ts";
import type { PartHasher } from "./part-hasher.ts";
import { earlySize, PARTS_MAX, partSize } from "./part-sizes.ts";

// Parts that are being hashed or sent while the next one gathers.
const UNDER_WAY_MAX = 3;

/** A part that has gathered, and where the content stands at its end. */
export interface CutPart {
  readonly payload: Payload;
  /** Bytes of the content until here. */
  readonly end: number;
  readonly head: Buffer;
  /** Of the content until here; empty when they are not known. */
  readonly digests: readonly Digest[];
}

export interface IntakeOptions {
  /** Has seen nothing, or what is before the tail, and perhaps some of that. The intake does not end it. */
  readonly hasher: PartHasher;
  /** Shared with all other uploads. */
  readonly slots: Slots;
  /** Stores a part; called in the order of the parts, before earlier ones are stored. */
  readonly store: (part: CutPart) => Promise<void>;
  /** Where an upload that is resumed stands. */
  readonly from?: {
    /** The number that its next part gets, and bytes in the parts before. */
    readonly part: number;
    readonly offset: number;
    /** Bytes that follow. */
    readonly tail: readonly Buffer[];
    readonly head: Buffer;
  };
}

/**
 * Cuts what arrives into parts, and has them hashed and stored while the next bytes arrive. It holds four parts at
 * most, however fast a client sends. After a failure it takes nothing more.
 */
export class PartIntake {
  readonly #hasher: PartHasher;
  readonly #slots: Slots;
  readonly #store: (part: CutPart) => Promise<void>;
  readonly #head: Head;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #number: number;
  /** Bytes before the buffer. */
  #start: number;
  #buffer: PartBuffer;
  /** Of a part that has been stored: fresh memory costs the kernel as much time as copying does. */
  #spare: Uint8Array<ArrayBuffer> | undefined;

  constructor({ hasher, slots, store, from }: IntakeOptions) {
    this.#hasher = hasher;
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

  /** Bytes of memory that it holds when nothing is under way. */
  get memory(): number {
    return this.#buffer.capacity;
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

  /** The digests of all bytes taken; none when they are not known. */
  async digests(): Promise<readonly Digest[]> {
    return (await this.#hasher.hash(this.#buffer, { last: false })).digests;
  }

  /** The rest, as the last part or the whole object. */
  async last(): Promise<Payload> {
    const { sha256 } = await this.#hasher.hash(this.#buffer, { last: false });
    return { bytes: this.#buffer.bytes, sha256 };
  }

  /** Resolves when all parts that were cut are stored; throws what went wrong. */
  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#spare = undefined;
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
    this.#buffer.append(bytes);
  }

  async #cut(): Promise<void> {
    // The last number is for what is left in the end.
    if (this.#number >= PARTS_MAX) throw new LayerdError("SIZE_INVALID", "the upload has too many parts");
    while (this.#underWay.size >= UNDER_WAY_MAX) await Promise.race(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#slots.take();
    const { offset, head } = this;
    this.#pass(this.#buffer, { end: offset, head });
    this.#start = offset;
    this.#number += 1;
    this.#buffer = PartBuffer.whole(partSize(this.#number), this.#spare);
    this.#spare = undefined;
  }

  #pass(buffer: PartBuffer, place: Pick<CutPart, "end" | "head">): void {
    const passing = this.#hashAndStore(buffer, place).catch((error: unknown) => {
      this.#failure ??= { error };
    });
    this.#underWay.add(passing);
    passing.then(() => {
      this.#slots.give();
      this.#underWay.delete(passing);
    });
  }

  async #hashAndStore(buffer: PartBuffer, place: Pick<CutPart, "end" | "head">): Promise<void> {
    const { sha256, digests } = await this.#hasher.hash(buffer, { last: true });
    await this.#store({ ...place, payload: { bytes: buffer.bytes, sha256 }, digests });
    if (this.#spare !== undefined) free(this.#spare);
    this.#spare = buffer.end();
  }
}
