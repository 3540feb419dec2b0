const BLOCK_SIZE = 512;
const NAME_MAX = 100;

/** An entry of a tar archive; everything left out has the value of a plain file. */
export interface TarEntry {
  readonly name: string;
  /** Default: `0`, a regular file. `5` is a directory, `2` a symbolic link, … */
  readonly type?: string;
  readonly data?: Buffer | string;
  readonly linkName?: string;
  /** Default: 0o644. */
  readonly mode?: number;
  /** What the header tells, when it is not the length of `data`. */
  readonly size?: number;
  /** Records of a pax header written before the entry. A name too long for the header becomes one. */
  readonly pax?: Readonly<Record<string, string>>;
  /** Default: ustar. */
  readonly format?: "ustar" | "gnu" | "v7";
}

/** A tar archive, the same bytes for the same entries; `trailer` says how many blocks of zeros end it (2). */
export function makeTar(entries: readonly TarEntry[], options: { readonly trailer?: number } = {}): Buffer {
  return Buffer.concat([...entries.map(makeEntry), Buffer.alloc((options.trailer ?? 2) * BLOCK_SIZE)]);
}

/** A header block whose checksum is right, for those who want to spoil it. */
export function makeTarHeader(entry: TarEntry): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  const size = entry.size ?? Buffer.byteLength(entry.data ?? "");
  block.write(entry.name, 0, NAME_MAX);
  block.write(octal(entry.mode ?? 0o644, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  block.write(entry.type ?? "0", 156, 1, "latin1");
  block.write(entry.linkName ?? "", 157, NAME_MAX);
  if (entry.format === "gnu") block.write("ustar  \0", 257, "latin1");
  else if (entry.format !== "v7") block.write("ustar\x0000", 257, "latin1");
  return sealTarHeader(block);
}

/** Puts the right checksum into a header block. */
export function sealTarHeader(block: Buffer): Buffer {
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 7)} `, 148, "latin1");
  return block;
}

function makeEntry(entry: TarEntry): Buffer {
  const long = Buffer.byteLength(entry.name) > NAME_MAX ? { path: entry.name } : {};
  const records = Object.entries({ ...long, ...entry.pax });
  const pax = records.length === 0 ? Buffer.alloc(0) : makePaxHeader(records);
  return Buffer.concat([pax, makeTarHeader(entry), padded(Buffer.from(entry.data ?? ""))]);
}

function makePaxHeader(records: readonly (readonly [string, string])[]): Buffer {
  const data = records.map(([key, value]) => paxRecord(key, value)).join("");
  return Buffer.concat([makeTarHeader({ name: "PaxHeaders/0", type: "x", data }), padded(Buffer.from(data))]);
}

/** `length key=value\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (length !== Buffer.byteLength(rest) + String(length).length) {
    length = Buffer.byteLength(rest) + String(length).length;
  }
  return `${length}${rest}`;
}

function padded(data: Buffer): Buffer {
  const padding = (BLOCK_SIZE - (data.length % BLOCK_SIZE)) % BLOCK_SIZE;
  return Buffer.concat([data, Buffer.alloc(padding)]);
}

function octal(value: number, length: number): string {
  return `${value.toString(8).padStart(length - 1, "0")}\0`;
}
