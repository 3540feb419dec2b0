// RFC 8878 §3.1.1.1.1: lengths of the fields, indexed by the flags of the descriptor.
const DICTIONARY_ID_LENGTHS = [0, 1, 2, 4] as const;
const CONTENT_SIZE_LENGTHS = [0, 2, 4, 8] as const;

export interface FrameHeader {
  /** Bytes that a decompressor must remember. */
  readonly windowSize: number;
  /** Bytes the frame unpacks to, when it says so. */
  readonly contentSize: number | undefined;
  /** 0: the frame needs none. */
  readonly dictionaryId: number;
}

/** The first byte of a frame header; it says how long the rest is. */
export class FrameDescriptor {
  readonly reservedBit: boolean;
  readonly checksum: boolean;
  /** Bytes of header that follow the descriptor: 1 to 13. */
  readonly headerLength: number;
  readonly #windowLength: 0 | 1;
  readonly #dictionaryIdLength: number;
  readonly #contentSizeLength: number;

  constructor(byte: number) {
    const singleSegment = (byte & 0x20) !== 0;
    const contentSizeLength = CONTENT_SIZE_LENGTHS[((byte >>> 6) & 3) as 0 | 1 | 2 | 3];
    this.reservedBit = (byte & 0x08) !== 0;
    this.checksum = (byte & 0x04) !== 0;
    this.#windowLength = singleSegment ? 0 : 1;
    this.#dictionaryIdLength = DICTIONARY_ID_LENGTHS[(byte & 3) as 0 | 1 | 2 | 3];
    this.#contentSizeLength = singleSegment ? contentSizeLength || 1 : contentSizeLength;
    this.headerLength = this.#windowLength + this.#dictionaryIdLength + this.#contentSizeLength;
  }

  /** `bytes`: the `headerLength` ones that follow the descriptor. */
  readHeader(bytes: Buffer): FrameHeader {
    const idLength = this.#dictionaryIdLength;
    const dictionaryId = idLength === 0 ? 0 : bytes.readUIntLE(this.#windowLength, idLength);
    const contentSize = readContentSize(bytes, this.#windowLength + idLength, this.#contentSizeLength);
    // A frame without a window descriptor is a single segment, whose content is its own window.
    const windowSize = this.#windowLength === 0 ? (contentSize ?? 0) : readWindowSize(bytes.readUInt8());
    return { windowSize, contentSize, dictionaryId };
  }
}

/** RFC 8878 §3.1.1.1.2 */
function readWindowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** RFC 8878 §3.1.1.1.4 */
function readContentSize(bytes: Buffer, at: number, length: number): number | undefined {
  if (length === 0) return undefined;
  if (length === 8) return Number(bytes.readBigUInt64LE(at));
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}
