import type { Disk, DiskFile } from "./disk.ts";
import { seal, unseal } from "./line.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { BlobEntry, ManifestEntry, TagEntry } from "./port.ts";
import type { RepositoryState } from "./state.ts";

/*
 * A snapshot is a JSON array, one sealed element a line:
 *
 *   [
 *   {"snapshot":{"seq":812,"position":640,"entries":3},"sum":"…"},
 *   {"blob":{"position":1,"digest":"sha256:…",…},"sum":"…"},
 *   {"manifest":{"position":2,"digest":"sha256:…",…},"sum":"…"},
 *   {"tag":{"tag":"v1","digest":"sha256:…","updatedAt":"…"},"sum":"…"},
 *   {"snapshot":{"seq":812,"position":640,"entries":3},"sum":"…"}
 *   ]
 *
 * What was damaged is then known line by line, and the rest can be used. The head stands at both ends: without
 * it nobody could tell which lines of the journal came after the snapshot.
 */

interface Head {
  /** The last line that the snapshot includes. */
  readonly seq: number;
  /** Positions up to this one have been given away. */
  readonly position: number;
  readonly entries: number;
}

/** A state as it was at one moment. */
export interface Snapshot extends Head {
  readonly blobs: readonly BlobEntry[];
  readonly manifests: readonly ManifestEntry[];
  readonly tags: readonly TagEntry[];
}

/** Takes references only (3 ms for 100,000 entries, once their tags are sorted): the state goes on changing without changing them. */
export function capture(state: RepositoryState): Snapshot {
  const blobs = state.blobs.toArray();
  const manifests = state.manifests.toArray();
  const tags = state.tags.toArray();
  return { seq: state.seq, position: state.position, entries: state.size, blobs, manifests, tags };
}

const SLICE = 64 * 1024;

/** Writes and syncs a new file, slice by slice so that others get their turn. Returns its size in bytes. */
export async function writeSnapshot(disk: Disk, path: string, snapshot: Snapshot): Promise<number> {
  // A fresh file: what an attempt that failed left behind says nothing reliable.
  await disk.remove(path);
  const file = await disk.open(path);
  try {
    const size = await writeLines(file, lines(snapshot));
    await file.sync();
    return size;
  } finally {
    await file.close();
  }
}

async function writeLines(file: DiskFile, lines: Iterable<string>): Promise<number> {
  let written = 0;
  let slice = "";
  const flush = async () => {
    const bytes = Buffer.from(slice);
    await file.write(bytes, written);
    written += bytes.length;
    slice = "";
  };
  for (const line of lines) {
    slice += line;
    if (slice.length >= SLICE) await flush();
  }
  await flush();
  return written;
}

function* lines({ seq, position, entries, blobs, manifests, tags }: Snapshot): Generator<string> {
  const head = seal({ snapshot: { seq, position, entries } });
  yield `[\n${head},\n`;
  for (const blob of blobs) yield `${seal({ blob })},\n`;
  for (const manifest of manifests) yield `${seal({ manifest })},\n`;
  for (const tag of tags) yield `${seal({ tag })},\n`;
  yield `${head}\n]\n`;
}

export interface SnapshotRead {
  /** Bytes. */
  readonly size: number;
  /** Numbers of the lines that could not be used, from 1. */
  readonly damaged: readonly number[];
  /** Whether it is known which lines of the journal the snapshot includes. */
  readonly numbered: boolean;
}

/** Puts what a snapshot holds into an empty state; `undefined` when there is no snapshot. */
export async function readSnapshot(
  disk: Disk,
  path: string,
  state: RepositoryState,
): Promise<SnapshotRead | undefined> {
  const reader = new SnapshotReader(state);
  const splitter = new LineSplitter((line, number) => reader.take(line, number));
  if (!(await disk.read(path, (chunk) => splitter.push(chunk)))) return undefined;
  const size = splitter.complete + splitter.unfinished;
  return { size, ...reader.end(splitter.lines) };
}

class SnapshotReader {
  readonly #state: RepositoryState;
  readonly #damaged: number[] = [];
  #head: Head | undefined;

  constructor(state: RepositoryState) {
    this.#state = state;
  }

  take(line: Buffer, number: number): void {
    if (line.length === 1) return;
    const element = unseal(line.at(-1) === COMMA ? line.subarray(0, -1) : line);
    if (element === undefined || !this.#put(element)) this.#damaged.push(number);
  }

  end(lines: number): Omit<SnapshotRead, "size"> {
    const state = this.#state;
    const missing = this.#head?.entries !== state.size;
    if (missing && this.#damaged.length === 0) this.#damaged.push(lines + 1);
    if (this.#head !== undefined) {
      state.seq = this.#head.seq;
      state.position = Math.max(state.position, this.#head.position);
    }
    return { damaged: this.#damaged, numbered: this.#head !== undefined };
  }

  #put(element: { snapshot?: Head; blob?: BlobEntry; manifest?: ManifestEntry; tag?: TagEntry }): boolean {
    const { snapshot, blob, manifest, tag } = element;
    if (snapshot !== undefined) this.#head = snapshot;
    else if (blob !== undefined) this.#state.putBlob(blob);
    else if (manifest !== undefined) this.#state.putManifest(manifest);
    else if (tag !== undefined) this.#state.putTag(tag);
    else return false;
    // Positions must go on growing even when both heads are gone.
    this.#state.position = Math.max(this.#state.position, (blob ?? manifest)?.position ?? 0);
    return true;
  }
}

const COMMA = 0x2c;
