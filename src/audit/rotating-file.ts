import { type FileHandle, lstat, open, rename } from "node:fs/promises";

const NEWLINE = 0x0a;
const OWNER_ONLY = 0o600;

export interface RotationOptions {
  /** Bytes that a file may have; one line always fits. */
  readonly maxSize: number;
  /** Files put aside that are kept: `path.1` is the latest. */
  readonly keep: number;
}

/**
 * A file of lines that is only appended to. When it has become large it is renamed, and a new one begun. One call at
 * a time.
 */
export class RotatingFile {
  readonly #path: string;
  readonly #options: RotationOptions;
  #file: Opened;
  /** Bytes above which it is put aside. */
  #limit: number;

  private constructor(path: string, options: RotationOptions, file: Opened) {
    this.#path = path;
    this.#options = options;
    this.#file = file;
    this.#limit = options.maxSize;
  }

  /** Throws the system's error when the file cannot be written. */
  static async open(path: string, options: RotationOptions): Promise<RotatingFile> {
    return new RotatingFile(path, options, await openLines(path));
  }

  /** Bytes that it may still take before it is put aside. Devices and pipes are left alone. */
  get room(): number {
    const { size, regular } = this.#file;
    return regular ? Math.max(this.#limit - size, 0) : Number.POSITIVE_INFINITY;
  }

  get isEmpty(): boolean {
    return this.#file.size === 0;
  }

  /** Appends whole lines. @throws AppendError */
  async append(lines: Buffer): Promise<void> {
    const file = this.#file;
    let at = 0;
    try {
      // What a crash has cut short stays as it is, on a line of its own.
      if (file.torn) await appendSome(file, Buffer.from("\n"), 0);
      file.torn = false;
      while (at < lines.length) at += await appendSome(file, lines, at);
    } catch (error) {
      const whole = at === 0 ? 0 : lines.lastIndexOf(NEWLINE, at - 1) + 1;
      file.torn ||= whole < at;
      throw new AppendError(error, whole);
    }
  }

  /**
   * Puts the file aside and begins a new one: the names go up by one, and the oldest is gone. When that fails, the old
   * one stays in use, and grows by a file's size before it is due again.
   */
  async rotate(): Promise<void> {
    this.#limit = this.#file.size + this.#options.maxSize;
    for (let number = await this.#firstFree(); number > 0; number -= 1) {
      await renameIfThere(this.#nameOf(number - 1), this.#nameOf(number));
    }
    await this.reopen();
  }

  /** Goes on in what is under the name now. When that cannot be opened, the old one stays in use. */
  async reopen(): Promise<void> {
    const opened = await openLines(this.#path);
    const old = this.#file;
    this.#file = opened;
    this.#limit = this.#options.maxSize;
    await old.handle.close();
  }

  async close(): Promise<void> {
    await this.#file.handle.close();
  }

  /** The number up to which names go up: that of the oldest file when none is free. */
  async #firstFree(): Promise<number> {
    let number = 1;
    while (number < this.#options.keep && (await isThere(this.#nameOf(number)))) number += 1;
    return number;
  }

  #nameOf(number: number): string {
    return number === 0 ? this.#path : `${this.#path}.${number}`;
  }
}

/** Not all lines are in the file. Those that are not are to be appended again. */
export class AppendError extends Error {
  /** Bytes of whole lines that are. */
  readonly written: number;

  constructor(cause: unknown, written: number) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.written = written;
  }
}

interface Opened {
  readonly handle: FileHandle;
  readonly regular: boolean;
  size: number;
  /** Whether it ends in the middle of a line. */
  torn: boolean;
}

async function openLines(path: string): Promise<Opened> {
  const handle = await open(path, "a+", OWNER_ONLY);
  try {
    const found = await handle.stat();
    const { size } = found;
    return { handle, regular: found.isFile(), size, torn: size > 0 && !(await endsALine(handle, size)) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function endsALine(handle: FileHandle, size: number): Promise<boolean> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] === NEWLINE;
}

async function appendSome(file: Opened, bytes: Buffer, at: number): Promise<number> {
  const { bytesWritten } = await file.handle.write(bytes, at);
  file.size += bytesWritten;
  return bytesWritten;
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(unlessMissing)) !== undefined;
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch(unlessMissing);
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
