import type { Stats } from "node:fs";
import type { Readable } from "node:stream";
import type { Digest, DigestAlgorithm } from "../core/digest.ts";
import type { BlobTree } from "./blob-tree.ts";
import type { TransferMemory } from "./buffers.ts";
import { ContentHash } from "./content-hash.ts";
import type { FreeSpace } from "./free-space.ts";
import type { HashThreads } from "./hasher.ts";
import { Head } from "./head.ts";
import { Intake } from "./intake.ts";
import type { BlobStat } from "./port.ts";
import { receive } from "./source.ts";
import { UploadFile } from "./upload-file.ts";

// Bytes. One megabyte arrives while one is written and one is hashed. With more of them on their way than these,
// they would be gone from the processors' caches when their turn comes.
const PLAN = { limit: 3 * 1024 * 1024, parts: 3 };

// Milliseconds. What has arrived is written so often even when it is little: a client that stalls holds no
// memory, and the death of the process costs a slow one no more than this.
const FLUSH_EVERY = 1000;

/** What the contents of one store's uploads share. */
export interface ContentContext {
  readonly tree: BlobTree;
  readonly durable: boolean;
  readonly memory: TransferMemory;
  readonly threads: HashThreads;
  readonly space: FreeSpace;
  /** Told of every blob that has become visible and durable, and of its file. */
  readonly published: (stat: BlobStat, found: Stats) => void;
}

export interface ContentState {
  /** Where the bytes are. */
  readonly path: string;
  readonly algorithms: readonly DigestAlgorithm[];
  /** Whether a later process may go on with it. */
  readonly resumable: boolean;
  /** Bytes that there are, and how many of them are known to be durable. */
  readonly offset: number;
  readonly synced: number;
  readonly head: Buffer;
  /** Called when a sync in the background has made more of it durable. */
  readonly onSynced: (offset: number) => Promise<void>;
}

/** The bytes of an upload, and what is known of them: how many, the first ones, their digests. */
export class UploadContent {
  readonly #context: ContentContext;
  readonly #algorithms: readonly DigestAlgorithm[];
  readonly #file: UploadFile;
  readonly #hash: ContentHash;
  readonly #head: Head;

  constructor(context: ContentContext, state: ContentState) {
    this.#context = context;
    this.#algorithms = state.algorithms;
    this.#hash = new ContentHash(context.threads, state.algorithms);
    this.#head = new Head(state.head);
    this.#file = new UploadFile({
      path: state.path,
      space: context.space,
      durable: context.durable,
      reopened: state.resumable,
      offset: state.offset,
      synced: state.synced,
      onSynced: state.onSynced,
    });
  }

  get offset(): number {
    return this.#file.offset;
  }

  get synced(): number {
    return this.#file.synced;
  }

  get head(): Buffer {
    return this.#head.upTo(this.offset);
  }

  /** Takes the bytes of a source. A failure of the store counts more than one of the source. */
  async append(
    source: Readable,
    options: { readonly limit: number | undefined; readonly signals: readonly AbortSignal[] },
  ): Promise<void> {
    this.#head.cut(this.offset);
    const share = this.#context.memory.join(PLAN);
    const intake = new Intake({ file: this.#file, hash: this.#hash, share });
    const flushing = setInterval(() => intake.flush(), FLUSH_EVERY);
    const take = (chunk: Uint8Array, own: boolean) => {
      this.#head.see(chunk);
      return intake.take(chunk, own);
    };
    try {
      await receive(source, { ...options, take }).finally(() => intake.finish());
    } finally {
      clearInterval(flushing);
      share.leave();
    }
  }

  async sync(): Promise<void> {
    try {
      await this.#file.sync();
    } catch (error) {
      // The file may have been cut off where it is known to be durable.
      await this.#hash.forget();
      throw error;
    }
  }

  /** The digests by the upload's algorithms, the one that names the blob first, then by `others`. */
  async digests(others: readonly DigestAlgorithm[]): Promise<readonly [Digest, ...Digest[]]> {
    const part = { fd: await this.#file.open(), length: this.offset };
    const [first, ...more] = await this.#hash.digests(part);
    if (first === undefined) throw new Error("an upload needs an algorithm");
    if (others.length === 0) return [first, ...more];
    return [first, ...more, ...(await new ContentHash(this.#context.threads, others).digests(part))];
  }

  /** Algorithms by which the digests come at no cost. */
  get algorithms(): readonly DigestAlgorithm[] {
    return this.#algorithms;
  }

  /** Makes the content the blob of that digest: visible and durable when it resolves. May be tried again. */
  async publish(digest: Digest): Promise<void> {
    const { tree, published } = this.#context;
    if (!this.#file.moved) await this.#file.moveOut((path) => tree.moveIn(path, digest));
    await tree.directory(digest).sync();
    published({ digest, size: this.offset }, await this.#file.stats());
  }

  /** Makes it durable for whoever goes on with it, on whichever machine. */
  async handOver(): Promise<void> {
    await this.#file.handOver();
  }

  /** Says that nobody writes to it any more. The last thing before `close`. */
  async letGo(): Promise<void> {
    await this.#file.letGo();
  }

  /** Lets go of descriptor and hash; what is stored stays. */
  async close(): Promise<void> {
    await this.#hash.forget();
    await this.#file.close();
  }

  /** Removes what is stored and not published. After `close`. */
  async remove(): Promise<void> {
    await this.#file.remove();
  }
}
