import { constants } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Lock } from "../cluster/port.ts";
import { DIGEST_ALGORITHMS, type DigestAlgorithm, isDigest } from "../core/digest.ts";
import { close, datasync, isMissing, open, remove, rename, toStoreError, write } from "./disk.ts";
import { isUploadFile, newRecordPath, recordPath } from "./paths.ts";
import type { BlobStat, UploadId } from "./port.ts";
import type { SyncedDirectory } from "./sync.ts";

/** What is kept of an upload that outlives its process. */
export interface UploadRecord {
  readonly version: 1;
  readonly algorithms: readonly DigestAlgorithm[];
  readonly note?: unknown;
  /** The run of the machine that wrote it: in the same run, what is in the file is what was written. */
  readonly boot: string;
  /** Bytes known to be durable: after another run of the machine those behind them may be torn. */
  readonly synced: number;
  /** The blob that it is becoming, or, when its data is gone, has become. */
  readonly committing?: BlobStat;
  /**
   * Which of the files that the upload has had holds its bytes, when several processes share the directory. A process
   * that was taken for dead and is not goes on with the one that it knows, and nobody else uses that any more.
   */
  readonly file?: string;
}

/** What a record is about, beside its bytes. */
export interface RecordPlace {
  readonly root: string;
  readonly id: UploadId;
  readonly directory: SyncedDirectory;
  readonly durable: boolean;
  /** What makes it this process's to write, when several share the directory. */
  readonly lock: Lock | undefined;
}

/** The record of one upload, on disk. Written whole, one version at a time. */
export class RecordFile {
  readonly #place: RecordPlace;
  #record: UploadRecord;
  #writing: Promise<void> = Promise.resolve();

  constructor(place: RecordPlace, record: UploadRecord) {
    this.#place = place;
    this.#record = record;
  }

  /** Which of the upload's files holds its bytes. */
  get file(): string | undefined {
    return this.#record.file;
  }

  /** Writes the record with some changes; they are durable when it resolves. @throws UNAVAILABLE when it may be another process's */
  write(changes: Partial<UploadRecord> = {}): Promise<void> {
    const written = this.#writing.then(() => this.#replace({ ...this.#record, ...changes }));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #replace(record: UploadRecord): Promise<void> {
    const { root, id, directory, lock } = this.#place;
    if (lock?.lost === true) throw lock.signal.reason;
    const path = newRecordPath(root, id);
    await this.#create(path, Buffer.from(`${JSON.stringify(record)}\n`));
    await directory.change(() => rename(path, recordPath(root, id)));
    await directory.sync();
    this.#record = record;
  }

  async #create(path: string, bytes: Buffer): Promise<void> {
    const { lock, durable } = this.#place;
    // Whoever had the upload before may have begun to write one, and be about to go on with that.
    if (lock !== undefined) await remove(path);
    const own = lock === undefined ? constants.O_TRUNC : constants.O_EXCL;
    const fd = await open(path, constants.O_WRONLY | constants.O_CREAT | own, 0o600);
    try {
      for (let from = 0; from < bytes.length; ) from += await write(fd, bytes, from, from);
      if (durable) await datasync(fd);
    } finally {
      await close(fd);
    }
  }
}

/** `undefined` when there is none, "damaged" when there is no telling what it says. */
export async function readRecord(root: string, id: UploadId): Promise<UploadRecord | "damaged" | undefined> {
  try {
    return parseRecord(await readFile(recordPath(root, id), "utf8"));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw toStoreError(error);
  }
}

function parseRecord(text: string): UploadRecord | "damaged" {
  try {
    const record: unknown = JSON.parse(text);
    return isRecord(record) ? record : "damaged";
  } catch {
    return "damaged";
  }
}

function isRecord(value: unknown): value is UploadRecord {
  const { version, algorithms, boot, synced, committing, file } = (value ?? {}) as Partial<UploadRecord>;
  return (
    version === 1 &&
    Array.isArray(algorithms) &&
    algorithms.length > 0 &&
    algorithms.every((algorithm) => DIGEST_ALGORITHMS.includes(algorithm)) &&
    typeof boot === "string" &&
    Number.isSafeInteger(synced) &&
    (committing === undefined || (isDigest(committing.digest) && Number.isSafeInteger(committing.size))) &&
    (file === undefined || isUploadFile(file))
  );
}
