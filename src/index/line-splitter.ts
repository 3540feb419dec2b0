const NEWLINE = 0x0a;

/** Cuts a file that comes in chunks into its lines. */
export class LineSplitter {
  readonly #show: (line: Buffer, number: number) => void;
  readonly #limit: number;
  #rest: Buffer = Buffer.alloc(0);
  #taken = 0;
  #lines = 0;

  /** Each line is shown without its newline, with its number from 1. Nothing is seen after `limit` bytes. */
  constructor(show: (line: Buffer, number: number) => void, limit: number = Number.POSITIVE_INFINITY) {
    this.#show = show;
    this.#limit = limit;
  }

  /** Complete lines so far. */
  get lines(): number {
    return this.#lines;
  }

  /** The bytes of the complete lines so far. */
  get complete(): number {
    return this.#taken - this.#rest.length;
  }

  /** Bytes after the last newline so far. */
  get unfinished(): number {
    return this.#rest.length;
  }

  /** Keeps nothing of `chunk` afterwards. */
  push(chunk: Buffer): void {
    const seen = chunk.subarray(0, this.#limit - this.#taken);
    this.#taken += seen.length;
    const bytes = this.#rest.length === 0 ? seen : Buffer.concat([this.#rest, seen]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#show(bytes.subarray(start, end), ++this.#lines);
      start = end + 1;
    }
    this.#rest = Buffer.from(bytes.subarray(start));
  }
}
