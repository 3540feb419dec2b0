import { createHash, type Hash } from "node:crypto";
import type { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { type Digest, type DigestAlgorithm, makeDigest } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import { Blocks, type Room } from "./blocks.ts";
import { free } from "./chunk-memory.ts";
import {
  checkDigests,
  checkOffset,
  checkSize,
  isMismatch,
  missingAlgorithms,
  namingDigest,
} from "./claims.ts";
import { Exclusive } from "./exclusive.ts";
import { Head } from "./head.ts";
import type { AppendOptions, BlobStat, BlobUpload, Expected, UploadId } from "./port.ts";
import { receive } from "./source.ts";

/** What the uploads of one store share. */
export interface MemoryUploadContext {
  readonly room: Room;
  /** Takes over the blocks, which are in the room until somebody gives it back. */
  publish(digest: Digest, blocks: readonly Buffer[]): void;
  /** The upload is not open any more. */
  ended(upload: MemoryUpload): void;
}

export interface MemoryUploadOptions {
  readonly id: UploadId;
  readonly algorithms: readonly DigestAlgorithm[];
  readonly note: unknown;
  readonly resumable: boolean;
}

/** An upload into memory. One that can be resumed lives as long as the store. */
export class MemoryUpload implements BlobUpload {
  readonly id: UploadId;
  readonly resumable: boolean;
  readonly #context: MemoryUploadContext;
  readonly #algorithms: readonly DigestAlgorithm[];
  readonly #hashes: readonly Hash[];
  readonly #blocks: Blocks;
  readonly #head = new Head();
  readonly #exclusive = new Exclusive();
  #note: unknown;
  #committed: BlobStat | undefined;
  #ended = false;
  #touchedAt = new Date();

  constructor(context: MemoryUploadContext, options: MemoryUploadOptions) {
    this.#context = context;
    this.id = options.id;
    this.#note = options.note;
    this.resumable = options.resumable;
    this.#algorithms = options.algorithms;
    this.#hashes = options.algorithms.map((algorithm) => createHash(algorithm));
    this.#blocks = new Blocks(context.room);
  }

  get offset(): number {
    return this.#committed?.size ?? this.#blocks.length;
  }

  get head(): Buffer {
    return this.#head.upTo(this.offset);
  }

  get note(): unknown {
    return this.#note;
  }

  get committed(): BlobStat | undefined {
    return this.#committed;
  }

  get touchedAt(): Date {
    return this.#touchedAt;
  }

  async append(source: Readable, options: AppendOptions): Promise<number> {
    return await this.#exclusive.run(async (ended) => {
      this.#assertUnfinished();
      checkOffset(options.at, this.offset);
      return await this.#orDiscard(() => this.#append(source, options, ended));
    });
  }

  async sync(): Promise<number> {
    return await this.#exclusive.run(async () => {
      this.#assertOpen();
      return this.offset;
    });
  }

  async amend(note: unknown): Promise<void> {
    await this.#exclusive.run(async () => {
      this.#assertOpen();
      this.#note = note;
    });
  }

  async commit(expected: Expected = {}): Promise<BlobStat> {
    if (this.#committed !== undefined) return this.#committed;
    return await this.#exclusive.run(async () => {
      this.#assertUnfinished();
      return await this.#orDiscard(() => this.#commit(expected));
    });
  }

  async cancel(): Promise<void> {
    await this.#exclusive.takeOver(async () => this.#discard());
  }

  async release(): Promise<void> {
    await this.#exclusive.takeOver(async () => {
      if (!this.resumable) this.#discard();
    });
  }

  #assertOpen(): void {
    if (this.#ended) throw new LayerdError("BLOB_UPLOAD_UNKNOWN");
  }

  #assertUnfinished(): void {
    this.#assertOpen();
    if (this.#committed !== undefined) {
      throw new LayerdError("BLOB_UPLOAD_INVALID", "the upload is already complete");
    }
  }

  /** An upload that cannot be resumed leaves nothing behind when it fails; neither does one of wrong bytes. */
  async #orDiscard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!this.resumable) this.#discard();
      throw error;
    }
  }

  async #append(source: Readable, { limit, signal }: AppendOptions, ended: AbortSignal): Promise<number> {
    this.#head.cut(this.offset);
    const signals = signal === undefined ? [ended] : [ended, signal];
    try {
      await receive(source, { limit, signals, take: (chunk, own) => this.#take(chunk, own) });
      return this.offset;
    } finally {
      this.#touchedAt = new Date();
    }
  }

  #take(chunk: Uint8Array, own: boolean): undefined {
    const before = this.#blocks.length;
    this.#head.see(chunk);
    try {
      this.#blocks.append(chunk);
    } finally {
      const taken = chunk.subarray(0, this.#blocks.length - before);
      for (const hash of this.#hashes) hash.update(taken);
      if (own) free(chunk);
    }
  }

  async #commit(expected: Expected): Promise<BlobStat> {
    const digest = await this.#verify(expected);
    const stat = { digest, size: this.offset };
    await expected.naming?.(digest);
    this.#context.publish(digest, this.#blocks.finish());
    this.#committed = stat;
    this.#touchedAt = new Date();
    if (!this.resumable) this.#forget();
    return stat;
  }

  async #verify(expected: Expected): Promise<Digest> {
    try {
      checkSize(expected, this.offset);
      const digests = await this.#digests(missingAlgorithms(expected, this.#algorithms));
      checkDigests(expected, digests);
      return namingDigest(expected, digests);
    } catch (error) {
      if (isMismatch(error)) this.#discard();
      throw error;
    }
  }

  async #digests(missing: readonly DigestAlgorithm[]): Promise<Digest[]> {
    const others = missing.map((algorithm) => createHash(algorithm));
    for (const piece of others.length === 0 ? [] : this.#blocks.pieces()) {
      for (const hash of others) hash.update(piece);
      await setImmediate();
    }
    const algorithms = [...this.#algorithms, ...missing];
    return [...this.#hashes, ...others].map((hash, i) =>
      makeDigest(algorithms[i] ?? "sha256", hash.digest("hex")),
    );
  }

  #discard(): void {
    if (this.#ended) return;
    if (this.#committed === undefined) this.#blocks.clear();
    this.#forget();
  }

  #forget(): void {
    this.#ended = true;
    this.#context.ended(this);
  }
}
