import type { Readable } from "node:stream";
import { algorithmOf, type Digest, type DigestAlgorithm } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import {
  checkDigests,
  checkOffset,
  checkSize,
  isMismatch,
  missingAlgorithms,
  namingDigest,
} from "../claims.ts";
import { Exclusive } from "../exclusive.ts";
import type { AppendOptions, BlobStat, BlobUpload, Expected, UploadId } from "../port.ts";
import { receive } from "../source.ts";
import type { S3Content } from "./content.ts";
import type { S3Context } from "./context.ts";
import { readBack } from "./read-back.ts";

/** An upload into the bucket. */
export class S3Upload implements BlobUpload {
  readonly id: UploadId;
  readonly #context: S3Context;
  readonly #content: S3Content;
  readonly #onEnd: (upload: S3Upload) => void;
  readonly #exclusive = new Exclusive();
  #ended = false;
  #ending: Promise<void> | undefined;

  /** @param about.ended is called when the upload is not open any more. */
  constructor(
    context: S3Context,
    about: { readonly id: UploadId; readonly content: S3Content; readonly ended: (upload: S3Upload) => void },
  ) {
    this.id = about.id;
    this.#context = context;
    this.#content = about.content;
    this.#onEnd = about.ended;
  }

  get offset(): number {
    return this.#content.offset;
  }

  get head(): Buffer {
    return this.#content.head;
  }

  get note(): unknown {
    return this.#content.note;
  }

  get committed(): BlobStat | undefined {
    return this.#content.committed;
  }

  /** Set while the upload is being cancelled or released: what is stored of it is in motion. */
  get ending(): Promise<void> | undefined {
    return this.#ending;
  }

  /** Whether it is there, as it stands now, whoever has worked on it. */
  async look(): Promise<boolean> {
    if (this.#exclusive.busy) return true;
    const there = await this.#content.refresh();
    if (!there) this.#forget();
    return there;
  }

  async append(source: Readable, { at, limit, signal }: AppendOptions): Promise<number> {
    const signals = signal === undefined ? [] : [signal];
    return await holding(source, () =>
      this.#work(async (ended) => {
        this.#assertUnfinished();
        checkOffset(at, this.offset);
        return await this.#orDrop(async () => {
          await this.#content.open().catch((error: unknown) => this.#reset(error));
          await this.#receive(source, limit, [ended, ...signals]);
          return this.offset;
        });
      }),
    );
  }

  async sync(): Promise<number> {
    return await this.#work(async () => {
      await this.#orDrop(() => this.#content.sync().catch((error: unknown) => this.#reset(error)));
      return this.offset;
    });
  }

  async amend(note: unknown): Promise<void> {
    await this.#work(() => this.#content.amend(note).catch((error: unknown) => this.#reset(error)));
  }

  async commit(expected: Expected = {}): Promise<BlobStat> {
    if (this.committed !== undefined) return this.committed;
    return await this.#work(async () => {
      if (this.committed !== undefined) return this.committed;
      return await this.#orDrop(() => this.#commit(expected).catch((error: unknown) => this.#reset(error)));
    });
  }

  async cancel(): Promise<void> {
    await this.#end(() => this.#discard());
  }

  async release(): Promise<void> {
    await this.#end(() => (this.#content.resumable ? this.#letGo() : this.#discard()));
  }

  /** One operation at a time, on what is stored now. */
  async #work<T>(work: (ended: AbortSignal) => Promise<T>): Promise<T> {
    return await this.#exclusive.run(async (ended) => {
      this.#assertOpen();
      this.#context.idle.busy(this.#content);
      if (!(await this.#content.refresh())) this.#forget();
      this.#assertOpen();
      return await work(ended).finally(() => this.#context.idle.idle(this.#content));
    });
  }

  /** An upload that cannot be resumed leaves nothing behind when it fails. */
  async #orDrop<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // What cannot be removed now, a sweep removes.
      if (!this.#content.resumable) await this.#discard().catch(() => undefined);
      throw error;
    }
  }

  async #receive(
    source: Readable,
    limit: number | undefined,
    signals: readonly AbortSignal[],
  ): Promise<void> {
    let failed = false;
    const take = (chunk: Uint8Array) => {
      try {
        return this.#content.take(chunk)?.catch((error: unknown) => {
          failed = true;
          throw error;
        });
      } catch (error) {
        failed = true;
        throw error;
      }
    };
    await receive(source, { limit, signals, take }).catch(async (error: unknown) => {
      if (failed) await this.#content.reset();
      throw error;
    });
  }

  async #commit(expected: Expected): Promise<BlobStat> {
    const size = this.offset;
    const known = await this.#verify(expected);
    const key = await this.#content.finish(known);
    const others = await readBack(this.#context.bucket, { key, size }, this.#unknown(expected, known));
    const all = [...known, ...others];
    const digest = await this.#orDiscard(() => {
      checkDigests(expected, all);
      return namingDigest(expected, all);
    });
    await expected.naming?.(digest);
    const digests = [digest, ...all.filter((one) => one !== digest)];
    await this.#content.publish({ key, digest, size }, digests);
    if (!this.#content.resumable) this.#forget();
    return { digest, size };
  }

  /** Compares with what is expected before anything is done for it; resolves with the digests that are known. */
  async #verify(expected: Expected): Promise<readonly Digest[]> {
    const known = await this.#content.digests();
    const computed = known.map(algorithmOf);
    const digests = expected.digests?.filter((digest) => computed.includes(algorithmOf(digest))) ?? [];
    await this.#orDiscard(() => {
      checkSize(expected, this.offset);
      checkDigests({ digests }, known);
    });
    return known;
  }

  /** Algorithms that nobody had announced, or all when the bytes came to several servers. */
  #unknown(expected: Expected, known: readonly Digest[]): DigestAlgorithm[] {
    const computed = known.map(algorithmOf);
    const wanted = this.#content.algorithms.filter((algorithm) => !computed.includes(algorithm));
    return [...wanted, ...missingAlgorithms(expected, [...computed, ...wanted])];
  }

  /** A mismatch is the end. */
  async #orDiscard<T>(check: () => T): Promise<T> {
    try {
      return check();
    } catch (error) {
      if (isMismatch(error)) await this.#discard();
      throw error;
    }
  }

  /** The content is what is stored, after a failure. */
  async #reset(error: unknown): Promise<never> {
    if (!this.#ended) await this.#content.reset();
    throw error;
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
      // Of what another server has gone on with, this one has nothing to keep.
      if (await this.#content.refresh()) await this.#content.sync();
    } finally {
      await this.#content.close();
      this.#forget();
    }
  }

  async #discard(): Promise<void> {
    if (this.#ended) return;
    try {
      await this.#content.remove();
    } finally {
      this.#forget();
    }
  }

  #assertOpen(): void {
    if (this.#ended) throw new LayerdError("BLOB_UPLOAD_UNKNOWN");
  }

  #assertUnfinished(): void {
    if (this.committed === undefined) return;
    throw new LayerdError("BLOB_UPLOAD_INVALID", "the upload is already complete");
  }

  #forget(): void {
    this.#ended = true;
    this.#context.idle.busy(this.#content);
    this.#onEnd(this);
  }
}

/** Keeps a source as it is until it is read from, which has to wait for the catalog; its failure is found out then. */
async function holding<T>(source: Readable, work: () => Promise<T>): Promise<T> {
  const ignore = () => {};
  source.pause().on("error", ignore);
  try {
    return await work();
  } finally {
    source.off("error", ignore);
  }
}
