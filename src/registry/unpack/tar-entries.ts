import { checkPaxValues, readPaxRecords } from "./pax.ts";
import {
  BLOCK_SIZE,
  isZeroBlock,
  readTarHeader,
  sparseMapGoesOn,
  type TarHeader,
  TarProblem,
} from "./tar-header.ts";

/** A run of bytes that says something about the archive, as opposed to data and padding. */
export type Part =
  | "header"
  | "secondZeroBlock"
  | "pax"
  | "globalPax"
  | "longName"
  | "longLink"
  | "sparseMap"
  | "end";

/** What comes next: `data` bytes to pass over, `padding` up to a block boundary, then `size` bytes of `part`. */
export interface Next {
  readonly part: Part;
  readonly size: number;
  readonly data: number;
  readonly padding: number;
}

export const HEADER: Next = { part: "header", size: BLOCK_SIZE, data: 0, padding: 0 };

// Go's archive/tar and libarchive have the same bound for what describes an entry.
const DESCRIPTION_MAX = 1024 * 1024;
/** Links, devices, directories, FIFOs: nothing follows their header, whatever size it tells. */
const WITHOUT_DATA = /^[1-6]$/;
const DESCRIPTIONS: ReadonlyMap<string, Part> = new Map([
  ["x", "pax"],
  ["g", "globalPax"],
  ["L", "longName"],
  ["K", "longLink"],
]);

/** The order of things in a tar archive: told what a part says, it tells what comes next. */
export class TarEntries {
  // What earlier parts said about the entry to come.
  #pax: ReadonlyMap<string, string> = new Map();
  #longName = "";
  // Of the sparse file whose map is being read.
  #mapSize = 0;
  #dataSize = 0;

  /** @throws TarProblem */
  read(part: Part, bytes: Buffer): Next {
    switch (part) {
      case "header":
        return isZeroBlock(bytes)
          ? { ...HEADER, part: "secondZeroBlock" }
          : this.#entry(readTarHeader(bytes));
      case "secondZeroBlock":
        if (isZeroBlock(bytes)) return { ...HEADER, part: "end" };
        throw new TarProblem("follows a block of zeros, which ends the archive");
      case "pax":
        this.#pax = readPaxRecords(bytes);
        return { ...HEADER, padding: paddingOf(bytes.length) };
      case "globalPax":
        readPaxRecords(bytes);
        // Go returns these as an entry of its own, and forgets what was said before about the next one.
        this.#forget();
        return { ...HEADER, padding: paddingOf(bytes.length) };
      case "longName":
        this.#longName = bytes.toString("latin1").split("\0", 1)[0] ?? "";
        return { ...HEADER, padding: paddingOf(bytes.length) };
      case "longLink":
        return { ...HEADER, padding: paddingOf(bytes.length) };
      case "sparseMap":
        return this.#sparseMap(sparseMapGoesOn(bytes));
      case "end":
        return { ...HEADER, part: "end" };
      default:
        return part satisfies never;
    }
  }

  #entry(header: TarHeader): Next {
    const description = DESCRIPTIONS.get(header.type);
    if (description !== undefined) return this.#describe(description, header.size);
    checkPaxValues(this.#pax);
    const size = this.#dataSizeOf(header);
    this.#forget();
    if (!header.mapGoesOn) return afterData(size);
    this.#dataSize = size;
    this.#mapSize = 0;
    return { ...HEADER, part: "sparseMap" };
  }

  #describe(part: Part, size: number): Next {
    if (size < 0) throw new TarProblem("has a negative size");
    if (size > DESCRIPTION_MAX) throw new TarProblem("has a description above 1 MiB");
    return size === 0 ? this.read(part, Buffer.alloc(0)) : { part, size, data: 0, padding: 0 };
  }

  #dataSizeOf(header: TarHeader): number {
    const name = this.#longName || this.#pax.get("path") || header.name;
    // The oldest archives have directories that only their name tells from files.
    const isDirectory = header.type === "\0" && name.endsWith("/");
    if (isDirectory || WITHOUT_DATA.test(header.type)) return 0;
    const size = Number(this.#pax.get("size") || header.size);
    if (size < 0) throw new TarProblem("has a negative size");
    if (!Number.isSafeInteger(size)) throw new TarProblem("has a size beyond anything stored");
    return size;
  }

  #sparseMap(goesOn: boolean): Next {
    this.#mapSize += BLOCK_SIZE;
    if (this.#mapSize > DESCRIPTION_MAX) throw new TarProblem("has a sparse map above 1 MiB");
    return goesOn ? { ...HEADER, part: "sparseMap" } : afterData(this.#dataSize);
  }

  #forget(): void {
    this.#pax = new Map();
    this.#longName = "";
  }
}

function afterData(size: number): Next {
  return { ...HEADER, data: size, padding: paddingOf(size) };
}

function paddingOf(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE;
}
