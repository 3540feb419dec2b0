import type { Readable } from "node:stream";
import type { Lock } from "../cluster/port.ts";
import type { Digest, DigestAlgorithm } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import {
  checkDigests,
  checkOffset,
  checkSize,
  isMismatch,
  missingAlgorithms,
  namingDigest,
} from "./claims.ts";
import { remove } from "./disk.ts";
import { Exclusive } from "./exclusive.ts";
import { newRecordPath, recordPath, uploadPath } from "./paths.ts";
import type { AppendOptions, BlobStat, BlobUpload, Expected, UploadId } from "./port.ts";
import { type ContentContext, UploadContent } from "./upload-content.ts";
import type { RecordFile } from "./upload-record.ts";

/** What the uploads of one store share. */
export interface UploadContext extends ContentContext {
  /** The upload is not open any more. */
  ended(upload: FileUpload): void;
}

export interface FileUploadState {
  readonly id: UploadId;
  readonly algorithms: readonly DigestAlgorithm[];
  readonly note: unknown;
  /** Of an upload that can be resumed. */
  readonly record: RecordFile | undefined;
  /** Bytes that there are, and how many of them are known to be durable. */
  readonly offset: number;
  readonly synced: number;
  readonly head: Buffer;
  readonly committed: BlobStat | undefined;
  /** What keeps others off, when several processes use the directory; released when the upload is not open any more. */
  readonly lock?: Lock | undefined;
}

/** An upload into a file, which becomes the blob. */
export class FileUpload implements BlobUpload {
  readonly id: UploadId;
  readonly #context: UploadContext;
  readonly #record: RecordFile | undefined;
  readonly #lock: Lock | undefined;
  readonly #content: UploadContent;
  readonly #exclusive = new Exclusive();
  #note: unknown;
  #committed: BlobStat | undefined;
  #ended = false;
  #ending: Promise<void> | undefined;

  constructor(context: UploadContext, state: FileUploadState) {
    const { record } = state;
    this.#context = context;
    this.id = state.id;
    this.#note = state.note;
    this.#record = record;
    this.#lock = state.lock;
    this.#committed = state.committed;
    this.#content = new UploadContent(context, {
      ...state,
      path: uploadPath(context.tree.root, state.id, record?.file),
      resumable: record !== undefined,
      onSynced: async (synced) => await record?.write({ synced }),
    });
  }

  get offset(): number {
    return this.#content.offset;
  }

  get head(): Buffer {
    return this.#content.head;
  }

  get note(): unknown {
    return this.#note;
  }

  get committed(): BlobStat | undefined {
    return this.#committed;
  }

  /** Set while the upload is being cancelled or released: what is stored of it is in motion. */
  get ending(): Promise<void> | undefined {
    return this.#ending;
  }

  async append(source: Readable, { at, limit, signal }: AppendOptions): Promise<number> {
    return await this.#exclusive.run(async (ended) => {
      this.#assertUnfinished();
      checkOffset(at, this.offset);
      const signals = signal === undefined ? [ended] : [ended, signal];
      await this.#orDiscard(() => this.#content.append(source, { limit, signals }));
      return this.offset;
    });
  }

  async sync(): Promise<number> {
    if (this.#committed !== undefined) return this.offset;
    return await this.#exclusive.run(async () => {
      this.#assertOpen();
      return await this.#orDiscard(() => this.#sync());
    });
  }

  async amend(note: unknown): Promise<void> {
    await this.#exclusive.run(async () => {
      this.#assertOpen();
      await this.#record?.write({ note });
      this.#note = note;
    });
  }

  async commit(expected: Expected = {}): Promise<BlobStat> {
    if (this.#committed !== undefined) return this.#committed;
    return await this.#exclusive.run(async () => {
      this.#assertOpen();
      return await this.#orDiscard(async () => {
        const digest = await this.#verify(expected);
        return await this.#publish({ digest, size: this.offset }, expected.naming);
      });
    });
  }

  async cancel(): Promise<void> {
    await this.#end(() => this.#discard());
  }

  async release(): Promise<void> {
    await this.#end(() => (this.#record === undefined ? this.#discard() : this.#letGo()));
  }

  #assertOpen(): void {
    if (!this.#ended) return;
    // Not unknown: another process has it.
    throw this.#lock?.signal.aborted === true
      ? this.#lock.signal.reason
      : new LayerdError("BLOB_UPLOAD_UNKNOWN");
  }

  #assertUnfinished(): void {
    this.#assertOpen();
    if (this.#committed !== undefined) {
      throw new LayerdError("BLOB_UPLOAD_INVALID", "the upload is already complete");
    }
  }

  /** An upload that cannot be resumed leaves nothing behind when it fails. */
  async #orDiscard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // What cannot be removed now, the next start removes.
      if (this.#record === undefined) await this.#discard().catch(() => undefined);
      throw error;
    }
  }

  async #sync(): Promise<number> {
    const before = this.#content.synced;
    await this.#content.sync();
    const { synced } = this.#content;
    if (synced !== before) await this.#record?.write({ synced });
    return this.offset;
  }

  /** Compares with what is expected; resolves with the digest that names the blob. A mismatch is the end. */
  async #verify(expected: Expected): Promise<Digest> {
    try {
      checkSize(expected, this.offset);
      const digests = await this.#content.digests(missingAlgorithms(expected, this.#content.algorithms));
      checkDigests(expected, digests);
      return namingDigest(expected, digests);
    } catch (error) {
      if (isMismatch(error)) await this.#discard();
      throw error;
    }
  }

  async #publish(stat: BlobStat, naming: Expected["naming"]): Promise<BlobStat> {
    await this.#content.sync();
    await this.#record?.write({ synced: this.#content.synced, committing: stat });
    await naming?.(stat.digest);
    await this.#content.publish(stat.digest);
    this.#committed = stat;
    await this.#content.close();
    if (this.#record === undefined) await this.#forget();
    return stat;
  }

  async #end(work: () => Promise<void>): Promise<void> {
    if (this.#ended) return;
    this.#ending ??= this.#exclusive.takeOver(async () => {
      if (!this.#ended) await work();
    });
    await this.#ending;
  }

  async #letGo(): Promise<void> {
    try {
      if (this.#lock !== undefined) await this.#handOver(this.#lock);
    } finally {
      await this.#content.close().finally(() => this.#forget());
    }
  }

  /** Whoever has taken over without having been let must not be disturbed: what is theirs is not touched then. */
  async #handOver(lock: Lock): Promise<void> {
    const before = this.#content.synced;
    try {
      if (lock.lost || this.#committed !== undefined) return;
      await this.#content.handOver();
      if (this.#content.synced !== before) await this.#record?.write({ synced: this.#content.synced });
    } finally {
      await this.#content.letGo();
    }
  }

  /** Removes the record first: without it the rest is a leftover, which is removed some time. */
  async #discard(): Promise<void> {
    try {
      await this.#content.close();
      if (this.#lock?.lost !== true) await this.#remove();
    } finally {
      await this.#forget();
    }
  }

  async #remove(): Promise<void> {
    const { root } = this.#context.tree;
    if (this.#record !== undefined) {
      await remove(recordPath(root, this.id));
      await remove(newRecordPath(root, this.id));
    }
    await this.#content.remove();
  }

  async #forget(): Promise<void> {
    this.#ended = true;
    await this.#lock?.release();
    this.#context.ended(this);
  }
}
