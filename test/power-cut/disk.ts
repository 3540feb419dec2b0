import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/*
 * A file system that knows what a power cut may leave of it. Renames are one step, as on every file system with a
 * journal: a file is never under both of its names, nor under none. All else that no sync has covered may be there
 * or not, each by itself: names that were made, moved or removed, and pages that were written.
 */

// Bytes of a file that are kept or lost together.
const PAGE = 4096;

/** What a power cut takes: asked for everything that no sync has covered. */
export type Chance = () => boolean;

type Effect = { readonly at: number; readonly bytes: Buffer } | { readonly size: number };

interface Written {
  readonly effect: Effect;
  /** Line of the trace. */
  readonly endedAt: number;
}

export class File {
  #durable: Buffer = Buffer.alloc(0);
  #written: Written[] = [];

  change(effect: Effect, endedAt: number): void {
    this.#written.push({ effect, endedAt });
  }

  /** A sync that began then has ended. */
  sync(begunAt: number): void {
    const covered = this.#written.filter(({ endedAt }) => endedAt < begunAt);
    const content = new Content(
      this.#durable,
      Math.max(this.#durable.length, ...covered.map(({ effect }) => endOf(effect))),
    );
    for (const { effect } of covered) content.apply(effect);
    this.#durable = content.bytes;
    this.#written = this.#written.filter((one) => !covered.includes(one));
  }

  damage(bytes: Buffer): void {
    bytes.copy(this.#durable);
  }

  /** @param inOrder whether nothing is kept behind something that was lost: the file is cut off there. */
  left(chance: Chance, inOrder: boolean): Buffer {
    const pieces = this.#written.flatMap(({ effect }) => piecesOf(effect));
    const content = new Content(this.#durable, Math.max(this.#durable.length, ...pieces.map(endOf)));
    for (const piece of pieces) {
      if (chance()) content.apply(piece);
      else if (inOrder) break;
    }
    return content.bytes;
  }
}

/** Bytes of a file while one thing after the other is done to them. */
class Content {
  readonly #room: Buffer;
  #size: number;

  /** @param most bytes that it will ever have */
  constructor(bytes: Buffer, most: number) {
    this.#room = Buffer.concat([bytes], most);
    this.#size = bytes.length;
  }

  get bytes(): Buffer {
    return this.#room.subarray(0, this.#size);
  }

  apply(effect: Effect): void {
    if ("size" in effect) {
      this.#room.fill(0, effect.size);
      this.#size = effect.size;
    } else {
      effect.bytes.copy(this.#room, effect.at);
      this.#size = Math.max(this.#size, endOf(effect));
    }
  }
}

function endOf(effect: Effect): number {
  return "size" in effect ? effect.size : effect.at + effect.bytes.length;
}

function piecesOf(effect: Effect): Effect[] {
  if ("size" in effect) return [effect];
  const { at, bytes } = effect;
  const pieces: Effect[] = [];
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + PAGE - ((at + from) % PAGE));
    pieces.push({ at: at + from, bytes: bytes.subarray(from, to) });
    from = to;
  }
  return pieces;
}

type Names = Map<string, File | Directory>;

/** One step, of one name or of two. */
interface Step {
  readonly endedAt: number;
  durable: boolean;
}

export class Directory {
  /** As readers see them. */
  readonly names: Names = new Map();
  readonly #durable: Names = new Map();
  #changes: { readonly step: Step; readonly change: (names: Names) => void }[] = [];

  change(step: Step, change: (names: Names) => void): void {
    change(this.names);
    this.#changes.push({ step, change });
  }

  /** A sync that began then has ended. */
  sync(begunAt: number): void {
    for (const { step } of this.#changes) step.durable ||= step.endedAt < begunAt;
    // What comes after something that may still be lost is kept in its order.
    while (this.#changes[0]?.step.durable === true) this.#changes.shift()?.change(this.#durable);
  }

  left(keeps: (step: Step) => boolean): Names {
    const names = new Map(this.#durable);
    for (const { step, change } of this.#changes) if (step.durable || keeps(step)) change(names);
    return names;
  }
}

/** The disk below a directory of the real one, at first empty. */
export class Disk {
  readonly #root = new Directory();

  find(path: string): File | Directory | undefined {
    return path
      .split("/")
      .filter((part) => part !== "" && part !== ".")
      .reduce<File | Directory | undefined>(
        (found, part) => (found instanceof Directory ? found.names.get(part) : undefined),
        this.#root,
      );
  }

  create(path: string, node: File | Directory, endedAt: number): void {
    const step = { endedAt, durable: false };
    this.#above(path)?.change(step, (names) => names.set(basename(path), node));
  }

  remove(path: string, endedAt: number): void {
    const step = { endedAt, durable: false };
    this.#above(path)?.change(step, (names) => names.delete(basename(path)));
  }

  rename(from: string, to: string, endedAt: number): void {
    const step = { endedAt, durable: false };
    const node = this.find(from);
    if (node === undefined) return;
    this.#above(from)?.change(step, (names) => {
      if (names.get(basename(from)) === node) names.delete(basename(from));
    });
    this.#above(to)?.change(step, (names) => names.set(basename(to), node));
  }

  /** Puts bytes at the beginning of a file behind the back of whoever uses it. */
  damage(path: string, bytes: Buffer): void {
    const file = this.find(path);
    if (!(file instanceof File)) throw new Error(`${path} is no file`);
    file.damage(bytes);
  }

  /** Makes below `target`, which is empty, what a power cut now would leave. */
  async leave(
    target: string,
    chance: Chance,
    alter: (path: string, content: Buffer) => Buffer = (_, content) => content,
  ): Promise<void> {
    const decided = new Map<Step, boolean>();
    const keeps = (step: Step) => {
      const before = decided.get(step) ?? chance();
      decided.set(step, before);
      return before;
    };
    const visit = async (directory: Directory, path: string): Promise<void> => {
      await mkdir(join(target, path), { recursive: true });
      for (const [name, node] of directory.left(keeps)) {
        const below = join(path, name);
        if (node instanceof Directory) await visit(node, below);
        // The journals of the index are written from front to back.
        else await writeFile(join(target, below), alter(below, node.left(chance, below.includes("/index/"))));
      }
    };
    await visit(this.#root, "");
  }

  #above(path: string): Directory | undefined {
    const found = this.find(dirname(path));
    return found instanceof Directory ? found : undefined;
  }
}
