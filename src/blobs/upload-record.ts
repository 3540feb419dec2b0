import { constants } from "node:fs";
import { readFile } from "node:fs/promises";
import { DIGEST_ALGORITHMS, type DigestAlgorithm, isDigest } from "../core/digest.ts";
import { close, datasync, isMissing, open, rename, toStoreError, write } from "./disk.ts";
import { newRecordPath, recordPath } from "./paths.ts";
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
}

/** The record of one upload, on disk. Written whole, one version at a time. */
export class RecordFile {
  readonly #root: string;
  readonly #id: UploadId;
  readonly #directory: SyncedDirectory;
  readonly #durable: boolean;
  #record: UploadRecord;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    place: { root: string; id: UploadId; directory: SyncedDirectory; durable: boolean },
    record: UploadRecord,
  ) {
    this.#root = place.root;
    this.#id = place.id;
    this.#directory = place.directory;
    this.#durable = place.durable;
    this.#record = record;
  }

  /** Writes the record with some changes; they are durable when it resolves. */
  write(changes: Partial<UploadRecord> = {}): Promise<void> {
    const written = this.#writing.then(() => this.#replace({ ...this.#record, ...changes }));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #replace(record: UploadRecord): Promise<void> {
    const path = newRecordPath(this.#root, this.#id);
    await this.#create(path, Buffer.from(`${JSON.stringify(record)}\n`));
    await this.#directory.change(() => rename(path, recordPath(this.#root, this.#id)));
    await this.#directory.sync();
    this.#record = record;
  }

  async #create(path: string, bytes: Buffer): Promise<void> {
    const fd = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
    try {
      for (let from = 0; from < bytes.length; ) from += await write(fd, bytes, from, from);
      if (this.#durable) await datasync(fd);
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
  const { version, algorithms, boot, synced, committing } = (value ?? {}) as Partial<UploadRecord>;
  return (
    version === 1 &&
    Array.isArray(algorithms) &&
    algorithms.length > 0 &&
    algorithms.every((algorithm) => DIGEST_ALGORITHMS.includes(algorithm)) &&
    typeof boot === "string" &&
    Number.isSafeInteger(synced) &&
    (committing === undefined || (isDigest(committing.digest) && Number.isSafeInteger(committing.size)))
  );
}
