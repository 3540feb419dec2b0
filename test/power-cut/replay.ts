import { relative } from "node:path";
import { Directory, type Disk, File } from "./disk.ts";
import { type Call, type CallName, descriptorOf, lastNumber, stringsOf } from "./trace.ts";

/** A descriptor that is open, and where it stands. */
interface Open {
  readonly node: File | Directory;
  at: number;
}

interface Event {
  readonly line: number;
  readonly begins: boolean;
  readonly call: Call;
}

/**
 * Does on a model of the disk what one run of a server has done on the real one. Changes are there from the
 * beginning of their call, and what a sync covers has ended before that began: what is in doubt may be lost.
 */
export class Replay {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #events: readonly Event[];
  readonly #open = new Map<number, Open>();
  #next = 0;
  readonly #beginnings: Partial<Record<CallName, (call: Call) => void>> = {
    openat: (call) => this.#create(call),
    close: (call) => this.#open.delete(descriptorOf(call)),
    write: (call) => this.#write(call, undefined),
    writev: (call) => this.#write(call, undefined),
    pwrite64: (call) => this.#write(call, lastNumber(call)),
    pwritev: (call) => this.#write(call, lastNumber(call)),
    ftruncate: (call) => this.#fileOf(call)?.change({ size: lastNumber(call) }, call.end),
    mkdir: (call) => this.#inside(call, ([path]) => this.#disk.create(path, new Directory(), call.end)),
    unlink: (call) => this.#inside(call, ([path]) => this.#disk.remove(path, call.end)),
    rename: (call) => this.#inside(call, ([from, to = ""]) => this.#disk.rename(from, to, call.end)),
    ...{ fsync: () => undefined, fdatasync: () => undefined },
    // Permissions are of no account to whoever may do everything, nor to what is checked.
    ...{ fchmod: () => undefined, chmod: () => undefined },
  };

  /** @param root the directory that the disk stands for. */
  constructor(disk: Disk, root: string, calls: readonly Call[]) {
    this.#disk = disk;
    this.#root = root;
    this.#events = calls
      .flatMap((call) => [
        { line: call.start, begins: true, call },
        { line: call.end, begins: false, call },
      ])
      .filter(({ line }) => Number.isFinite(line))
      .sort((a, b) => a.line - b.line || Number(b.begins) - Number(a.begins));
  }

  /** Goes on until all up to that line of the trace has happened. */
  upTo(line: number): void {
    for (let event = this.#events[this.#next]; event !== undefined && event.line <= line; ) {
      if (event.begins) this.#begin(event.call);
      else this.#end(event.call);
      this.#next += 1;
      event = this.#events[this.#next];
    }
  }

  #begin(call: Call): void {
    const begin = this.#beginnings[call.name];
    if (begin !== undefined) begin(call);
    else this.#inside(call, () => void unknown(call));
  }

  #end(call: Call): void {
    if (call.name === "openat") this.#opened(call);
    if (call.name === "fsync" || call.name === "fdatasync")
      this.#open.get(descriptorOf(call))?.node.sync(call.start);
  }

  #create(call: Call): void {
    this.#inside(call, ([path]) => {
      const found = this.#disk.find(path);
      if (found === undefined && call.args.includes("O_CREAT")) this.#disk.create(path, new File(), call.end);
      if (found instanceof File && call.args.includes("O_TRUNC")) found.change({ size: 0 }, call.end);
    });
  }

  #opened(call: Call): void {
    this.#inside(call, ([path]) => {
      const node = this.#disk.find(path);
      if (node !== undefined) this.#open.set(call.result ?? -1, { node, at: 0 });
    });
  }

  #write(call: Call, at: number | undefined): void {
    const open = this.#open.get(descriptorOf(call));
    if (!(open?.node instanceof File)) return;
    const bytes = Buffer.concat(stringsOf(call)).subarray(0, call.result);
    open.node.change({ at: at ?? open.at, bytes }, call.end);
    if (at === undefined) open.at += bytes.length;
  }

  #fileOf(call: Call): File | undefined {
    const node = this.#open.get(descriptorOf(call))?.node;
    return node instanceof File ? node : undefined;
  }

  /** Runs `work` with the paths of a call when they are on the disk. */
  #inside(call: Call, work: (paths: readonly [string, ...string[]]) => void): void {
    const [first, ...others] = stringsOf(call).map((path) => relative(this.#root, path.toString()));
    if (first !== undefined && !first.startsWith("..")) work([first, ...others]);
  }
}

function unknown({ name }: Call): never {
  throw new Error(`the model of a disk does not know ${name}`);
}
