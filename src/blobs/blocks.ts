import { Readable, type Writable } from "node:stream";
import type { Digest } from "../core/digest.ts";
import { Outlet } from "./outlet.ts";
import type { BlobHandle, ByteSpan } from "./port.ts";

// Bytes. Blocks grow with their blob, so that little is allocated and not used.
const SMALLEST = 1024;
const LARGEST = 1024 * 1024;

/** Bytes that a blob or an upload takes beside its content: many tiny ones fill the memory too. */
export const OVERHEAD = 512;

/** What all blocks of a store may take together. */
export interface Room {
  /** Takes at most `bytes`, at least `atLeast` (default: 1). Throws STORE_FULL when less is left. */
  take(bytes: number, atLeast?: number): number;
  give(bytes: number): void;
}

/** Bytes in memory that grow at their end. */
export class Blocks {
  readonly #room: Room;
  #blocks: Buffer[] = [];
  #length = 0;
  #capacity = 0;

  /** @throws STORE_FULL */
  constructor(room: Room) {
    room.take(OVERHEAD, OVERHEAD);
    this.#room = room;
  }

  get length(): number {
    return this.#length;
  }

  /** Copies the chunk; what finds no room is left out, and STORE_FULL thrown. */
  append(chunk: Uint8Array): void {
    for (let rest = chunk; rest.length > 0; ) {
      const block = this.#blockWithRoom();
      const part = rest.subarray(0, this.#capacity - this.#length);
      block.set(part, block.length - (this.#capacity - this.#length));
      this.#length += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** The bytes, in pieces, in a form that does not change any more. A small content is one piece. */
  finish(): readonly Buffer[] {
    const last = this.#blocks.at(-1);
    const unused = this.#capacity - this.#length;
    if (this.#length <= LARGEST) this.#blocks = [Buffer.concat(this.#blocks, this.#length)];
    else if (last !== undefined)
      this.#blocks.splice(-1, 1, Buffer.from(last.subarray(0, last.length - unused)));
    this.#room.give(unused);
    this.#capacity = this.#length;
    return this.#blocks;
  }

  /** The bytes from the beginning, in pieces. */
  *pieces(): Generator<Buffer> {
    let left = this.#length;
    for (const block of this.#blocks) {
      yield block.subarray(0, left);
      left -= block.length;
    }
  }

  /** Lets go of all bytes. To be called at most once. */
  clear(): void {
    this.#room.give(this.#capacity + OVERHEAD);
    this.#blocks = [];
    this.#length = 0;
    this.#capacity = 0;
  }

  #blockWithRoom(): Buffer {
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#length < this.#capacity) return last;
    const wanted = Math.min(LARGEST, Math.max(SMALLEST, this.#capacity));
    const block = Buffer.allocUnsafeSlow(this.#room.take(wanted));
    this.#blocks.push(block);
    this.#capacity += block.length;
    return block;
  }
}

/** A blob in several blocks of memory. */
export class BlocksBlob implements BlobHandle {
  readonly digest: Digest;
  readonly size: number;
  readonly #blocks: readonly Buffer[];

  constructor(digest: Digest, blocks: readonly Buffer[]) {
    this.digest = digest;
    this.size = blocks.reduce((sum, block) => sum + block.length, 0);
    this.#blocks = blocks;
  }

  async send(writable: Writable, span: ByteSpan = { start: 0, end: this.size }): Promise<void> {
    const outlet = new Outlet(writable);
    try {
      for (const piece of this.#pieces(span)) await outlet.write(piece);
    } finally {
      outlet.close();
    }
  }

  stream(span: ByteSpan = { start: 0, end: this.size }): Readable {
    return Readable.from(this.#pieces(span), { objectMode: false });
  }

  close(): void {}

  *#pieces({ start, end }: ByteSpan): Generator<Buffer> {
    let at = 0;
    for (const block of this.#blocks) {
      const piece = block.subarray(Math.max(0, start - at), Math.max(0, end - at));
      if (piece.length > 0) yield piece;
      at += block.length;
    }
  }
}
