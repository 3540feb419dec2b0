import { invalidLayer } from "./invalid.ts";
import { FrameDescriptor } from "./zstd-header.ts";

/** A field that says what follows it. */
type Field = "magic" | "skippableSize" | "descriptor" | "header" | "block";

/** What comes next: `skip` bytes of content, then a field of `length` bytes. */
interface Next {
  readonly field: Field;
  readonly length: number;
  readonly skip: number;
}

const MAGIC = 0xfd2fb528;
const BETWEEN_FRAMES: Next = { field: "magic", length: 4, skip: 0 };
const BLOCK: Next = { field: "block", length: 3, skip: 0 };
const BLOCK_RLE = 1;
const BLOCK_COMPRESSED = 2;
const BLOCK_RESERVED = 3;
const BLOCK_SIZE_MAX = 128 * 1024;
const CHECKSUM_LENGTH = 4;
const FIELD_MAX = 13;

/**
 * Finds where the frames of a zstd file end (RFC 8878 §3.1), from frame and block headers alone, in whatever
 * pieces it comes. Refuses what could not be decompressed here: a dictionary, a window above `maxWindow`.
 */
export class FrameSplitter {
  readonly #maxWindow: number;
  readonly #field = Buffer.alloc(FIELD_MAX);
  #have = 0;
  #next = BETWEEN_FRAMES;
  #skip = 0;
  #descriptor = new FrameDescriptor(0);
  #blockSizeMax = 0;
  #contentSize: number | undefined = 0;
  #offset = 0;

  /** @param maxWindow bytes */
  constructor(maxWindow: number) {
    this.#maxWindow = maxWindow;
  }

  /** Bytes that the frames so far unpack to, when each of them says so. */
  get contentSize(): number | undefined {
    return this.#contentSize;
  }

  /**
   * Cuts the next chunk into parts that never go beyond the end of a frame; together they are the chunk.
   * @throws LAYER_INVALID
   */
  *split(chunk: Buffer): Generator<Buffer> {
    let start = 0;
    let at = 0;
    while (at < chunk.length) {
      const step = this.#passOver(chunk.length - at) || this.#gather(chunk, at);
      at += step;
      this.#offset += step;
      if (this.#have === this.#next.length) this.#proceed();
      if (!this.#isBetweenFrames()) continue;
      yield chunk.subarray(start, at);
      start = at;
    }
    if (start < at) yield chunk.subarray(start, at);
  }

  /** @throws LAYER_INVALID when the file ends inside a frame. */
  end(): void {
    if (!this.#isBetweenFrames())
      throw invalidLayer("zstd", this.#offset, "it ends in the middle of a frame");
  }

  #isBetweenFrames(): boolean {
    return this.#next.field === "magic" && this.#have === 0 && this.#skip === 0;
  }

  #passOver(available: number): number {
    const step = Math.min(this.#skip, available);
    this.#skip -= step;
    return step;
  }

  #gather(chunk: Buffer, at: number): number {
    const step = chunk.copy(this.#field, this.#have, at, at + this.#next.length - this.#have);
    this.#have += step;
    return step;
  }

  #proceed(): void {
    this.#next = this.#read();
    this.#skip = this.#next.skip;
    this.#have = 0;
  }

  #read(): Next {
    const { field } = this.#next;
    switch (field) {
      case "magic":
        return this.#readMagic(this.#field.readUInt32LE());
      case "skippableSize":
        return { ...BETWEEN_FRAMES, skip: this.#field.readUInt32LE() };
      case "descriptor":
        return this.#readDescriptor(this.#field.readUInt8());
      case "header":
        return this.#readHeader();
      case "block":
        return this.#readBlock(this.#field.readUIntLE(0, BLOCK.length));
      default:
        return field satisfies never;
    }
  }

  #readMagic(magic: number): Next {
    if (magic === MAGIC) return { field: "descriptor", length: 1, skip: 0 };
    // RFC 8878 §3.1.2: 0x184D2A50 to 0x184D2A5F.
    if (magic >>> 4 === 0x184d2a5) return { field: "skippableSize", length: 4, skip: 0 };
    throw this.#invalid("no frame begins here");
  }

  #readDescriptor(byte: number): Next {
    this.#descriptor = new FrameDescriptor(byte);
    if (this.#descriptor.reservedBit) throw this.#invalid("a reserved bit of a frame header is set");
    return { field: "header", length: this.#descriptor.headerLength, skip: 0 };
  }

  #readHeader(): Next {
    const { windowSize, contentSize, dictionaryId } = this.#descriptor.readHeader(this.#field);
    if (dictionaryId !== 0) throw this.#invalid(`a frame needs dictionary ${dictionaryId}`);
    if (windowSize > this.#maxWindow) {
      const limit = `above the limit of ${this.#maxWindow}`;
      throw this.#invalid(`a frame needs a window of ${windowSize} bytes, ${limit}`);
    }
    this.#blockSizeMax = Math.min(windowSize, BLOCK_SIZE_MAX);
    const before = this.#contentSize;
    this.#contentSize = before === undefined || contentSize === undefined ? undefined : before + contentSize;
    return BLOCK;
  }

  /** RFC 8878 §3.1.1.2 */
  #readBlock(header: number): Next {
    const type = (header >>> 1) & 3;
    if (type === BLOCK_RESERVED) throw this.#invalid("a block has the reserved type");
    const blockSize = header >>> 3;
    // Two things that zstd itself lets pass or not, depending on whether the frame comes whole in one write.
    if (blockSize > this.#blockSizeMax) throw this.#invalid("a block is larger than its frame allows");
    if (type === BLOCK_COMPRESSED && blockSize === 0) throw this.#invalid("a compressed block is empty");
    const size = type === BLOCK_RLE ? 1 : blockSize;
    const last = (header & 1) !== 0;
    if (!last) return { ...BLOCK, skip: size };
    return { ...BETWEEN_FRAMES, skip: size + (this.#descriptor.checksum ? CHECKSUM_LENGTH : 0) };
  }

  /** Something is wrong with the field just read. */
  #invalid(problem: string): Error {
    return invalidLayer("zstd", this.#offset - this.#next.length, problem);
  }
}
