export const BLOCK_SIZE = 512;

/** What is wrong with an entry, in words that follow "an entry". */
export class TarProblem extends Error {}

/** What a header block says about the bytes that follow it. */
export interface TarHeader {
  /** The type flag, one character; NUL for the oldest archives' regular files. */
  readonly type: string;
  readonly name: string;
  /** Bytes, as the header tells them; may be negative. */
  readonly size: number;
  /** Of a sparse file of old GNU tar (type `S`): whether more of its map follows in blocks of its own. */
  readonly mapGoesOn: boolean;
}

interface NumberField {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

// POSIX.1-2017 pax §ustar Interchange Format. The last two are in no older format.
const SIZE: NumberField = { name: "size", start: 124, end: 136 };
const CHECKSUM: NumberField = { name: "checksum", start: 148, end: 156 };
const OTHERS: readonly NumberField[] = [
  { name: "mode", start: 100, end: 108 },
  { name: "uid", start: 108, end: 116 },
  { name: "gid", start: 116, end: 124 },
  { name: "modification time", start: 136, end: 148 },
];
const DEVICE: readonly NumberField[] = [
  { name: "device's major number", start: 329, end: 337 },
  { name: "device's minor number", start: 337, end: 345 },
];
const GNU_MAGIC = "ustar  \0";
const POSIX_MAGIC = "ustar\0";
// GNU tar manual §Basic Tar Format: `isextended` of the header, and of the blocks that go on with the map.
const MORE_IN_HEADER = 482;
const MORE_IN_MAP = 504;

/**
 * Reads a header block that is not all zeros, accepting what Go's archive/tar accepts: its readers are the
 * container engines'.
 * @throws TarProblem
 */
export function readTarHeader(block: Buffer): TarHeader {
  checkSum(block);
  const magic = block.toString("latin1", 257, 265);
  for (const field of OTHERS) readNumber(block, field);
  if (magic === GNU_MAGIC || magic.startsWith(POSIX_MAGIC)) {
    for (const field of DEVICE) readNumber(block, field);
  }
  const type = block.toString("latin1", 156, 157);
  // Elsewhere, as in star, that type is laid out in another way.
  if (type === "S" && magic !== GNU_MAGIC) throw new TarProblem("is sparse in a format that is not GNU's");
  return {
    type,
    name: untilNul(block.toString("latin1", 0, 100)),
    size: readNumber(block, SIZE),
    mapGoesOn: type === "S" && block[MORE_IN_HEADER] !== 0,
  };
}

/** Whether yet another block follows this one of the map of a sparse file of old GNU tar. */
export function sparseMapGoesOn(block: Buffer): boolean {
  return block[MORE_IN_MAP] !== 0;
}

export function isZeroBlock(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** Sums of unsigned bytes are the standard's; Sun's tar summed signed ones. */
function checkSum(block: Buffer): void {
  let unsigned = 0;
  let high = 0;
  for (let at = 0; at < BLOCK_SIZE; at += 1) {
    const byte = at >= CHECKSUM.start && at < CHECKSUM.end ? 0x20 : (block[at] ?? 0);
    unsigned += byte;
    if (byte > 0x7f) high += 1;
  }
  const told = readOctal(block, CHECKSUM);
  if (told !== unsigned && told !== unsigned - high * 256) {
    throw new TarProblem("has a header whose checksum does not match");
  }
}

function readNumber(block: Buffer, field: NumberField): number {
  const binary = ((block[field.start] ?? 0) & 0x80) !== 0;
  return binary ? readBase256(block, field) : readOctal(block, field);
}

/** Digits between blanks; what follows a NUL does not count. */
function readOctal(block: Buffer, field: NumberField): number {
  const start = pastBlanks(block, field.start, field.end);
  let at = start;
  let value = 0;
  for (; at < field.end; at += 1) {
    const digit = (block[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  const ended = (at > start && block[at] === 0) || pastBlanks(block, at, field.end) === field.end;
  if (ended) return value;
  throw new TarProblem(`has a ${field.name} that is not octal`);
}

function pastBlanks(block: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && (block[at] === 0 || block[at] === 0x20)) at += 1;
  return at;
}

/** GNU: the first bit marks the encoding, the others are a two's complement number, big-endian. */
function readBase256(block: Buffer, field: NumberField): number {
  const hex = block.toString("hex", field.start, field.end);
  const value = BigInt.asIntN((field.end - field.start) * 8 - 1, BigInt(`0x${hex}`));
  if (value !== BigInt.asIntN(64, value)) throw new TarProblem(`has a ${field.name} beyond 64 bits`);
  return Number(value);
}

function untilNul(text: string): string {
  const end = text.indexOf("\0");
  return end === -1 ? text : text.slice(0, end);
}
