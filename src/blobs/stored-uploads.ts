import { constants, type Stats } from "node:fs";
import { chmod, opendir, readdir, stat, truncate } from "node:fs/promises";
import type { DigestAlgorithm } from "../core/digest.ts";
import { SNIFF_LENGTH } from "../core/media-type.ts";
import type { BlobTree } from "./blob-tree.ts";
import { close, isMissing, open, read, remove, toStoreError } from "./disk.ts";
import type { FileUploadState } from "./file-upload.ts";
import type { BlobLog } from "./log.ts";
import { newRecordPath, parseUploadName, recordPath, uploadPath } from "./paths.ts";
import type { BlobReader, BlobStat, StoredUpload, UploadId } from "./port.ts";
import { RecordFile, readRecord, type UploadRecord } from "./upload-record.ts";

/** Uploads that can be resumed, as they lie on the disk. */
export class StoredUploads {
  readonly #tree: BlobTree;
  readonly #durable: boolean;
  readonly #boot: string;
  readonly #reader: BlobReader;
  readonly #log: BlobLog | undefined;

  /** @param parts.boot names this run of the machine. */
  constructor(parts: {
    tree: BlobTree;
    durable: boolean;
    boot: string;
    reader: BlobReader;
    log: BlobLog | undefined;
  }) {
    this.#tree = parts.tree;
    this.#durable = parts.durable;
    this.#boot = parts.boot;
    this.#reader = parts.reader;
    this.#log = parts.log;
  }

  /** The record of a new upload; the first `write` puts it on the disk. */
  createRecord(id: UploadId, about: { algorithms: readonly DigestAlgorithm[]; note: unknown }): RecordFile {
    return this.#recordFile(id, { version: 1, ...about, boot: this.#boot, synced: 0 });
  }

  /** Where an upload stands that no object here stands for; `undefined` when there is none. */
  async load(id: UploadId): Promise<FileUploadState | undefined> {
    const record = await readRecord(this.#tree.root, id);
    if (record === undefined) return undefined;
    if (record === "damaged") {
      this.#log?.warn({ upload: id }, "the record of an upload is damaged: the upload is forgotten");
      await this.remove(id);
      return undefined;
    }
    const found = await statOrNothing(uploadPath(this.#tree.root, id));
    const committed = found === undefined ? await this.#published(record) : undefined;
    if (committed !== undefined) return await this.#finished(id, record, committed);
    return await this.#unfinished(id, record, found);
  }

  async *list(): AsyncGenerator<StoredUpload> {
    const { root, uploads } = this.#tree;
    for await (const { name } of await opendir(uploads.path)) {
      const file = parseUploadName(name);
      if (file?.kind !== "record") continue;
      const { id } = file;
      const found = await statOrNothing(recordPath(root, id));
      const data = await statOrNothing(uploadPath(root, id));
      const record = await readRecord(root, id);
      if (found === undefined || record === undefined) continue;
      const committing = record === "damaged" ? undefined : record.committing;
      const touchedAt = new Date(Math.max(found.mtimeMs, data?.mtimeMs ?? 0));
      yield { id, touchedAt, ...(committing && { becoming: committing.digest }) };
    }
  }

  /** Ids of which there are files that nothing can be resumed from, left by a process that died. */
  async leftovers(): Promise<UploadId[]> {
    const files = (await readdir(this.#tree.uploads.path)).flatMap((name) => parseUploadName(name) ?? []);
    const resumable = new Set(files.filter(({ kind }) => kind === "record").map(({ id }) => id));
    const worthless = files.filter(({ id, kind }) => kind === "new record" || !resumable.has(id));
    return [...new Set(worthless.map(({ id }) => id))];
  }

  /** Removes what `leftovers` has found. */
  async removeLeftover(id: UploadId): Promise<void> {
    const { root } = this.#tree;
    await remove(newRecordPath(root, id));
    if ((await statOrNothing(recordPath(root, id))) === undefined) await remove(uploadPath(root, id));
  }

  /** Removes all files of an upload. */
  async remove(id: UploadId): Promise<void> {
    const { root } = this.#tree;
    for (const path of [recordPath(root, id), newRecordPath(root, id), uploadPath(root, id)])
      await remove(path);
  }

  /** The blob that an upload without data has become before its process died. */
  async #published({ committing }: UploadRecord): Promise<BlobStat | undefined> {
    const blob = committing && (await this.#reader.stat(committing.digest));
    return blob?.size === committing?.size ? blob : undefined;
  }

  async #finished(id: UploadId, record: UploadRecord, committed: BlobStat): Promise<FileUploadState> {
    const { algorithms, note } = record;
    const head = await readHead(this.#tree.path(committed.digest), committed.size);
    const sizes = { offset: committed.size, synced: committed.size };
    return { id, algorithms, note, record: this.#recordFile(id, record), ...sizes, head, committed };
  }

  async #unfinished(
    id: UploadId,
    { committing: _, ...record }: UploadRecord,
    found: Stats | undefined,
  ): Promise<FileUploadState> {
    const path = uploadPath(this.#tree.root, id);
    const size = found?.size ?? 0;
    const sameBoot = record.boot === this.#boot;
    const synced = Math.min(size, record.synced);
    const offset = sameBoot ? size : synced;
    const file = this.#recordFile(id, { ...record, boot: this.#boot, synced });
    // It may have come as far as being made read-only.
    if (found !== undefined && (found.mode & constants.S_IWUSR) === 0) await chmod(path, 0o600);
    if (offset < size) await truncate(path, offset);
    if (!sameBoot) await file.write();
    const { algorithms, note } = record;
    const head = await readHead(path, offset);
    return { id, algorithms, note, record: file, offset, synced, head, committed: undefined };
  }

  #recordFile(id: UploadId, record: UploadRecord): RecordFile {
    const { root, uploads: directory } = this.#tree;
    return new RecordFile({ root, id, directory, durable: this.#durable }, record);
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
