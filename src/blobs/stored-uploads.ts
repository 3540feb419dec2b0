import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { chmod, opendir, readdir, stat, truncate } from "node:fs/promises";
import type { Lock } from "../cluster/port.ts";
import type { DigestAlgorithm } from "../core/digest.ts";
import { SNIFF_LENGTH } from "../core/media-type.ts";
import type { BlobTree } from "./blob-tree.ts";
import { close, isMissing, open, read, remove, toStoreError } from "./disk.ts";
import type { FileUploadState } from "./file-upload.ts";
import type { FreeSpace } from "./free-space.ts";
import type { BlobLog } from "./log.ts";
import {
  newRecordPath,
  parseUploadName,
  pathOfUploadName,
  recordPath,
  type UploadName,
  uploadPath,
} from "./paths.ts";
import type { BlobReader, BlobStat, StoredUpload, UploadId } from "./port.ts";
import { copyUpload } from "./upload-copy.ts";
import { isLetGo, OPEN_MODE } from "./upload-file.ts";
import { RecordFile, readRecord, type UploadRecord } from "./upload-record.ts";

/** Tells the files of one upload apart. */
function newFile(): string {
  return randomBytes(4).toString("hex");
}

/** Uploads that can be resumed, as they lie on the disk. */
export class StoredUploads {
  readonly #tree: BlobTree;
  readonly #durable: boolean;
  readonly #boot: string;
  readonly #reader: BlobReader;
  readonly #space: FreeSpace;
  readonly #log: BlobLog | undefined;

  /** @param parts.boot names this run of the machine. */
  constructor(parts: {
    tree: BlobTree;
    durable: boolean;
    boot: string;
    reader: BlobReader;
    space: FreeSpace;
    log: BlobLog | undefined;
  }) {
    this.#tree = parts.tree;
    this.#durable = parts.durable;
    this.#boot = parts.boot;
    this.#reader = parts.reader;
    this.#space = parts.space;
    this.#log = parts.log;
  }

  /** The record of a new upload; the first `write` puts it on the disk. */
  createRecord(
    id: UploadId,
    about: { algorithms: readonly DigestAlgorithm[]; note: unknown },
    lock?: Lock,
  ): RecordFile {
    const file = lock === undefined ? {} : { file: newFile() };
    return this.#recordFile(id, { version: 1, ...about, boot: this.#boot, synced: 0, ...file }, lock);
  }

  async has(id: UploadId): Promise<boolean> {
    return (await statOrNothing(recordPath(this.#tree.root, id))) !== undefined;
  }

  /**
   * Where an upload stands that no object here stands for; `undefined` when there is none.
   * @param lock makes it this process's, where others use the directory
   */
  async load(id: UploadId, lock?: Lock): Promise<FileUploadState | undefined> {
    const record = await readRecord(this.#tree.root, id);
    if (record === undefined) return undefined;
    // Whoever wrote it may have died before it was durable.
    if (lock !== undefined) await this.#tree.uploads.sync();
    if (record === "damaged") {
      this.#log?.warn({ upload: id }, "the record of an upload is damaged: the upload is forgotten");
      await this.remove(id);
      return undefined;
    }
    const found = await statOrNothing(uploadPath(this.#tree.root, id, record.file));
    const committed = found === undefined ? await this.#published(record) : undefined;
    if (committed !== undefined) return { ...(await this.#finished(id, record, committed, lock)), lock };
    const { committing: _, ...unfinished } = record;
    if (lock === undefined || (found !== undefined && isLetGo(found))) {
      return { ...(await this.#goOn(id, unfinished, found, lock)), lock };
    }
    const state = await this.#takeOver(id, unfinished, found, lock);
    // What was there a moment ago has become a blob since.
    return state === undefined ? await this.load(id, lock) : { ...state, lock };
  }

  async *list(): AsyncGenerator<StoredUpload> {
    for await (const { name } of await opendir(this.#tree.uploads.path)) {
      const parsed = parseUploadName(name);
      const stored = parsed?.kind === "record" ? await this.#look(parsed.id) : undefined;
      if (stored !== undefined) yield stored;
    }
  }

  /** The time of its last change; `undefined` when it is not there. */
  async touchedAt(id: UploadId): Promise<Date | undefined> {
    return (await this.#look(id))?.touchedAt;
  }

  async #look(id: UploadId): Promise<StoredUpload | undefined> {
    const { root } = this.#tree;
    const found = await statOrNothing(recordPath(root, id));
    const record = await readRecord(root, id);
    if (found === undefined || record === undefined) return undefined;
    const { committing, file } = record === "damaged" ? {} : record;
    const data = await statOrNothing(uploadPath(root, id, file));
    const touchedAt = new Date(Math.max(found.mtimeMs, data?.mtimeMs ?? 0));
    return { id, touchedAt, ...(committing && { becoming: committing.digest }) };
  }

  /**
   * Files that nothing can be resumed from, left by a process that died.
   * @param olderThan only those not touched since
   */
  async leftovers(olderThan?: Date): Promise<UploadName[]> {
    const names = await readdir(this.#tree.uploads.path).catch((error: unknown) => {
      throw toStoreError(error);
    });
    const left: UploadName[] = [];
    for (const text of names) {
      const name = parseUploadName(text);
      if (name !== undefined && (await this.#isLeft(name, olderThan))) left.push(name);
    }
    return left;
  }

  /** Removes what `leftovers` has found, if it still is that. */
  async removeLeftover(name: UploadName, olderThan?: Date): Promise<void> {
    if (await this.#isLeft(name, olderThan)) await remove(pathOfUploadName(this.#tree.root, name));
  }

  async #isLeft(name: UploadName, olderThan: Date | undefined): Promise<boolean> {
    if (name.kind === "record") return false;
    const { root } = this.#tree;
    if (olderThan !== undefined) {
      const found = await statOrNothing(pathOfUploadName(root, name));
      if (found === undefined || found.mtime >= olderThan) return false;
    }
    if (name.kind === "new record") return true;
    const record = await readRecord(root, name.id);
    // What a damaged one says is found out, and told, when somebody asks for the upload.
    return record === undefined || (record !== "damaged" && record.file !== name.file);
  }

  /** Removes all files of an upload. */
  async remove(id: UploadId): Promise<void> {
    const { root } = this.#tree;
    const record = await readRecord(root, id);
    const file = record === undefined || record === "damaged" ? undefined : record.file;
    const paths = [recordPath(root, id), newRecordPath(root, id), uploadPath(root, id, file)];
    for (const path of paths) await remove(path);
  }

  /** The blob that an upload without data has become before its process died. */
  async #published({ committing }: UploadRecord): Promise<BlobStat | undefined> {
    const blob = committing && (await this.#reader.stat(committing.digest));
    return blob?.size === committing?.size ? blob : undefined;
  }

  async #finished(
    id: UploadId,
    record: UploadRecord,
    committed: BlobStat,
    lock: Lock | undefined,
  ): Promise<FileUploadState> {
    const { algorithms, note } = record;
    const head = await readHead(this.#tree.path(committed.digest), committed.size);
    const sizes = { offset: committed.size, synced: committed.size };
    return { id, algorithms, note, record: this.#recordFile(id, record, lock), ...sizes, head, committed };
  }

  /** Goes on with the file that there is. */
  async #goOn(
    id: UploadId,
    record: UploadRecord,
    found: Stats | undefined,
    lock: Lock | undefined,
  ): Promise<FileUploadState> {
    const path = uploadPath(this.#tree.root, id, record.file);
    const size = found?.size ?? 0;
    const sizes = this.#sizes(record, size);
    const file = this.#recordFile(id, { ...record, boot: this.#boot, synced: sizes.synced }, lock);
    // It may have come as far as being made read-only. Others are to see that it is open.
    const closed = found !== undefined && (found.mode & constants.S_IWUSR) === 0;
    if (closed || (found !== undefined && lock !== undefined)) await chmod(path, OPEN_MODE);
    if (sizes.offset < size) await truncate(path, sizes.offset);
    if (record.boot !== this.#boot) await file.write();
    return await this.#state(id, record, { path, file, ...sizes });
  }

  /**
   * Goes on in another file, for whoever had this one has not said that it writes no more: it may only be slow. What it
   * does from now on, to a file or to a name, it does to one that nobody else uses. `undefined` when the file has
   * gone meanwhile.
   */
  async #takeOver(
    id: UploadId,
    record: UploadRecord,
    found: Stats | undefined,
    lock: Lock,
  ): Promise<FileUploadState | undefined> {
    const { root } = this.#tree;
    const name = newFile();
    const [old, path] = [uploadPath(root, id, record.file), uploadPath(root, id, name)];
    let size = 0;
    if (found !== undefined) {
      await this.#space.check();
      const copied = await copyUpload(old, path, this.#sizes(record, found.size).offset, this.#durable);
      if (copied === undefined) return undefined;
      size = copied;
    }
    const synced = this.#durable ? size : Math.min(size, record.synced);
    const file = this.#recordFile(id, { ...record, file: name, boot: this.#boot, synced }, lock);
    await file.write();
    await remove(old);
    return await this.#state(id, record, { path, file, offset: size, synced });
  }

  /** How much counts of what there is, and how much of that is known to be durable. */
  #sizes(record: UploadRecord, size: number): { readonly offset: number; readonly synced: number } {
    const synced = Math.min(size, record.synced);
    return { offset: record.boot === this.#boot ? size : synced, synced };
  }

  async #state(
    id: UploadId,
    { algorithms, note }: UploadRecord,
    at: { path: string; file: RecordFile; offset: number; synced: number },
  ): Promise<FileUploadState> {
    const { path, file: record, offset, synced } = at;
    const head = await readHead(path, offset);
    return { id, algorithms, note, record, offset, synced, head, committed: undefined };
  }

  #recordFile(id: UploadId, record: UploadRecord, lock: Lock | undefined): RecordFile {
    const { root, uploads: directory } = this.#tree;
    return new RecordFile({ root, id, directory, durable: this.#durable, lock }, record);
  }
}

async function statOrNothing(path: string): Promise<Stats | undefined> {
  return await stat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw toStoreError(error);
  });
}

async function readHead(path: string, size: number): Promise<Buffer> {
  const head = Buffer.alloc(Math.min(size, SNIFF_LENGTH));
  if (head.length === 0) return head;
  const fd = await open(path, constants.O_RDONLY);
  try {
    return head.subarray(0, await read(fd, head, head.length, 0));
  } finally {
    await close(fd);
  }
}
