import { basename, dirname } from "node:path";
import type { Disk, DiskFile } from "../../src/index/disk.ts";

export type OperationKind =
  | "read"
  | "size"
  | "list"
  | "open"
  | "write"
  | "truncate"
  | "sync"
  | "rename"
  | "remove"
  | "makeDirectory"
  | "syncDirectory";

export interface Operation {
  readonly kind: OperationKind;
  readonly path: string;
  /** From 1, over all operations of the disk. */
  readonly number: number;
}

/**
 * Called before each operation. What it throws is what the operation fails with; a write that throws a
 * `ShortWrite` has written so many bytes first.
 */
export type Fault = (operation: Operation) => void;

export class ShortWrite extends Error {
  readonly bytes: number;

  constructor(bytes: number) {
    super("ENOSPC");
    this.bytes = bytes;
  }
}

/** The operation did not happen at all, and nobody is left to care. */
export class Killed extends Error {}

// Small, so that a line covers several and shares its first and last with its neighbours.
const PAGE = 64;

/** Content as readers see it, and as the platters have it. */
class FakeFile {
  content: Buffer = Buffer.alloc(0);
  durable: Buffer = Buffer.alloc(0);
  /** Pages that a sync would write. */
  readonly dirty = new Set<number>();

  write(bytes: Buffer, at: number): void {
    const size = Math.max(this.content.length, at + bytes.length);
    this.content = Buffer.concat([this.content], size);
    bytes.copy(this.content, at);
    for (let page = Math.floor(at / PAGE); page * PAGE < at + bytes.length; page++) this.dirty.add(page);
  }

  truncate(size: number): void {
    this.content = Buffer.concat([this.content], size);
    for (const page of this.dirty) if (page * PAGE >= size) this.dirty.delete(page);
    // As a kernel does it: the rest of the last page is zeroed, so that page has changed.
    if (size % PAGE > 0) this.dirty.add(Math.floor(size / PAGE));
  }

  sync(): void {
    this.durable = Buffer.concat([this.durable], this.content.length);
    for (const page of this.dirty)
      this.content.copy(this.durable, page * PAGE, page * PAGE, (page + 1) * PAGE);
    this.dirty.clear();
  }

  /** What a kernel does when it cannot write: it forgets that there was something to write. */
  failSync(reachedThePlatter: boolean): void {
    if (reachedThePlatter) this.sync();
    this.dirty.clear();
  }
}

type Names = Map<string, FakeFile | FakeDirectory>;

class FakeDirectory {
  names: Names = new Map();
  durable: Names = new Map();
  /** What happened to the names since they were synced; a power cut may leave some of it and not the rest. */
  changes: ((names: Names) => void)[] = [];

  change(change: (names: Names) => void): void {
    change(this.names);
    this.changes.push(change);
  }

  sync(): void {
    this.durable = new Map(this.names);
    this.changes = [];
  }
}

/**
 * A disk in memory that knows what a power cut would leave of it, can fail on demand, and counts. Its root is
 * `/`.
 */
export class FakeDisk implements Disk {
  readonly #root: FakeDirectory;
  fault: Fault = () => {};
  /** Called before `fault`; the operation waits for it. */
  delay: (operation: Operation) => Promise<void> = async () => {};
  /** Whether it leaves syncing to chance, as with durability `os`. */
  lazy = false;
  /** Whether a sync that fails has done its work all the same. */
  failedSyncsReachThePlatter = false;
  operations = 0;
  /** Paths of the handles that are open, one for each. */
  readonly handles: string[] = [];

  constructor(root: FakeDirectory = new FakeDirectory()) {
    this.#root = root;
  }

  /** The same disk, as another process sees it when this one has been killed: this one can do nothing more. */
  killed(): FakeDisk {
    this.fault = () => {
      throw new Killed();
    };
    return new FakeDisk(this.#root);
  }

  /**
   * What a power cut leaves: all that was synced, and of the rest whatever `chance` (true or false, asked for
   * each page and each change of a name) says. A file is cut off within what was not synced.
   */
  afterPowerCut(chance: () => boolean = () => false): FakeDisk {
    return new FakeDisk(survivors(this.#root, chance));
  }

  async read(path: string, show: (chunk: Buffer) => void): Promise<boolean> {
    await this.#begin("read", path);
    const file = this.#find(path);
    if (!(file instanceof FakeFile)) return false;
    if (!this.lazy) file.sync();
    for (let at = 0; at < file.content.length; at += 100)
      show(Buffer.from(file.content.subarray(at, at + 100)));
    return true;
  }

  async open(path: string): Promise<DiskFile> {
    await this.#begin("open", path);
    const directory = this.#directory(dirname(path));
    const known = directory.names.get(basename(path));
    if (known instanceof FakeDirectory) throw new Error(`EISDIR ${path}`);
    const file = known ?? new FakeFile();
    if (known === undefined) directory.change((names) => names.set(basename(path), file));
    return this.#handle(path, file);
  }

  async size(path: string): Promise<number | undefined> {
    await this.#begin("size", path);
    return this.content(path)?.length;
  }

  async list(path: string): Promise<string[]> {
    await this.#begin("list", path);
    const directory = this.#find(path);
    return directory instanceof FakeDirectory ? [...directory.names.keys()] : [];
  }

  /** Within one directory. */
  async rename(from: string, to: string): Promise<void> {
    await this.#begin("rename", from);
    const file = this.#find(from);
    if (file === undefined) throw new Error(`ENOENT ${from}`);
    this.#directory(dirname(from)).change((names) => {
      names.delete(basename(from));
      names.set(basename(to), file);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#begin("remove", path);
    this.#directory(dirname(path)).change((names) => names.delete(basename(path)));
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#begin("makeDirectory", path);
    const directory = this.#directory(dirname(path));
    const made = new FakeDirectory();
    if (!directory.names.has(basename(path))) directory.change((names) => names.set(basename(path), made));
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#begin("syncDirectory", path);
    if (!this.lazy) this.#directory(path).sync();
  }

  /** The content of a file, for the test's own eyes. */
  content(path: string): Buffer | undefined {
    const file = this.#find(path);
    return file instanceof FakeFile ? file.content : undefined;
  }

  /** Puts a file there, durably, behind the back of whoever uses the disk. */
  place(path: string, content: Buffer | undefined): void {
    const { names, durable } = this.#directory(dirname(path));
    const file = new FakeFile();
    file.content = content ?? file.content;
    file.durable = file.content;
    for (const map of [names, durable]) {
      if (content === undefined) map.delete(basename(path));
      else map.set(basename(path), file);
    }
  }

  #handle(path: string, file: FakeFile): DiskFile {
    this.handles.push(path);
    return {
      size: async () => file.content.length,
      write: async (bytes, at) => {
        await this.#begin("write", path).catch((error: unknown) => {
          if (error instanceof ShortWrite) file.write(bytes.subarray(0, error.bytes), at);
          throw error;
        });
        file.write(bytes, at);
      },
      truncate: async (size) => {
        await this.#begin("truncate", path);
        file.truncate(size);
      },
      sync: async () => {
        await this.#begin("sync", path).catch((error: unknown) => {
          if (!(error instanceof Killed)) file.failSync(this.failedSyncsReachThePlatter);
          throw error;
        });
        if (!this.lazy) file.sync();
      },
      close: async () => {
        this.handles.splice(this.handles.indexOf(path), 1);
      },
    };
  }

  async #begin(kind: OperationKind, path: string): Promise<void> {
    // Real operations take their time too: others go on meanwhile.
    await new Promise((resolve) => setImmediate(resolve));
    this.operations++;
    const operation = { kind, path, number: this.operations };
    await this.delay(operation);
    this.fault(operation);
  }

  #find(path: string): FakeFile | FakeDirectory | undefined {
    const parts = path.split("/").filter((part) => part !== "");
    return parts.reduce<FakeFile | FakeDirectory | undefined>(
      (found, part) => (found instanceof FakeDirectory ? found.names.get(part) : undefined),
      this.#root,
    );
  }

  #directory(path: string): FakeDirectory {
    const found = this.#find(path);
    if (found instanceof FakeDirectory) return found;
    throw new Error(`ENOENT ${path}`);
  }
}

function survivors(directory: FakeDirectory, chance: () => boolean): FakeDirectory {
  const left = new FakeDirectory();
  const names = new Map(directory.durable);
  for (const change of directory.changes) if (chance()) change(names);
  for (const [name, node] of names) {
    left.names.set(name, node instanceof FakeFile ? survivor(node, chance) : survivors(node, chance));
  }
  left.sync();
  return left;
}

function survivor(file: FakeFile, chance: () => boolean): FakeFile {
  const left = new FakeFile();
  const reached = [...file.dirty].sort((a, b) => a - b).findIndex(() => !chance());
  const pages = [...file.dirty].sort((a, b) => a - b).slice(0, reached < 0 ? file.dirty.size : reached);
  const last = pages.at(-1);
  const end = last === undefined ? 0 : Math.min((last + 1) * PAGE, file.content.length);
  left.durable = Buffer.concat([file.durable], Math.max(file.durable.length, end));
  for (const page of pages) file.content.copy(left.durable, page * PAGE, page * PAGE, (page + 1) * PAGE);
  left.content = Buffer.from(left.durable);
  return left;
}
