import { type ErrorCode, LayerdError } from "./errors.ts";
import { faultsError, jsonPath } from "./validate.ts";

// Deeper than any manifest, and far from what makes a reader that recurses fall over.
const DEPTH_MAX = 100;
// An index of 4 MiB that lists nothing but platforms has some 155,000. JSON.parse alone would take a third of a
// second for the million objects that the same bytes can hold.
const VALUES_MAX = 160_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Parses a document that others will parse too, with other parsers: what they may read in different ways is
 * refused (image-spec considerations.md §JSON, RFC 7493 §2): duplicate keys, bytes that are not UTF-8, a byte
 * order mark, nesting deeper than 100. Takes linear time.
 * @throws an error of `code`, `detail: [{path, message}]`; REQUEST_TOO_LARGE above 160,000 values.
 */
export function parseStrictJson(bytes: Uint8Array, code: ErrorCode): unknown {
  const text = decode(bytes, code);
  new Structure(text, code).check();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw faultsError(code, [{ path: "$", message: `not JSON: ${(error as SyntaxError).message}` }]);
  }
}

function decode(bytes: Uint8Array, code: ErrorCode): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.startsWith("\ufeff")) return text;
  } catch {
    throw faultsError(code, [{ path: "$", message: "not UTF-8 (RFC 8259 §8.1)" }]);
  }
  throw faultsError(code, [{ path: "$", message: "it starts with a byte order mark (RFC 8259 §8.1)" }]);
}

/** An object or list that is still open where the scan stands. */
interface Level {
  /** The keys met so far; a list has none. */
  readonly keys: Set<string> | undefined;
  /** The key or index that the scan is at. */
  step: string | number;
}

/**
 * What JSON.parse does not check. The scan only knows strings, brackets and commas: it is exact for JSON, and
 * whatever it makes of other text does not matter, because JSON.parse refuses that afterwards.
 */
class Structure {
  readonly #text: string;
  readonly #code: ErrorCode;
  readonly #levels: Level[] = [];
  #keyIsNext = false;
  #values = 1;

  constructor(text: string, code: ErrorCode) {
    this.#text = text;
    this.#code = code;
  }

  check(): void {
    for (let at = 0; at < this.#text.length; at += 1) {
      switch (this.#text.charCodeAt(at)) {
        case QUOTE:
          at = this.#string(at);
          break;
        case COMMA:
          this.#next();
          break;
        case OPEN_OBJECT:
          this.#open({ keys: new Set(), step: "" });
          break;
        case OPEN_LIST:
          this.#open({ keys: undefined, step: 0 });
          break;
        case CLOSE_OBJECT:
        case CLOSE_LIST:
          this.#levels.pop();
          this.#keyIsNext = false;
      }
    }
  }

  #open(level: Level): void {
    this.#count();
    this.#levels.push(level);
    this.#keyIsNext = level.keys !== undefined;
    if (this.#levels.length > DEPTH_MAX) this.#refuse(`nested deeper than ${DEPTH_MAX} levels`);
  }

  #next(): void {
    this.#count();
    const level = this.#levels.at(-1);
    this.#keyIsNext = level?.keys !== undefined;
    if (typeof level?.step === "number") level.step += 1;
  }

  /** @returns where the string that starts at `start` ends: at its closing quote. */
  #string(start: number): number {
    const end = endOfString(this.#text, start);
    if (this.#keyIsNext) this.#key(this.#text.slice(start, end + 1));
    this.#keyIsNext = false;
    return end;
  }

  #key(quoted: string): void {
    const level = this.#levels.at(-1);
    if (level?.keys === undefined) return;
    level.step = unquote(quoted);
    if (level.keys.has(level.step)) this.#refuse("the key is there twice");
    level.keys.add(level.step);
  }

  /** Every bracket and comma brings at most one more value. */
  #count(): void {
    this.#values += 1;
    if (this.#values <= VALUES_MAX) return;
    throw new LayerdError("REQUEST_TOO_LARGE", `the document has more than ${VALUES_MAX} values`);
  }

  #refuse(message: string): never {
    throw faultsError(this.#code, [{ path: jsonPath(this.#levels.map(({ step }) => step)), message }]);
  }
}

/** The first quote after `start` that an even number of backslashes precedes; the text's end when there is none. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
  return text.length;
}

/** What a key means: `"\u0061"` is the key `a`. */
function unquote(quoted: string): string {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted);
  } catch {
    return quoted;
  }
}
