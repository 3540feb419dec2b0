import type { Digest, DigestAlgorithm } from "../../core/digest.ts";
import { isLayerdError } from "../../core/errors.ts";
import type { BlobStat } from "../port.ts";
import type { Payload } from "./bucket.ts";
import type { Part, StoredObject } from "./catalog.ts";
import type { S3Content } from "./content.ts";
import { newKey, removeAtOnce, type S3Context } from "./context.ts";
import { PartHasher } from "./part-hasher.ts";
import { type CutPart, PartIntake } from "./part-intake.ts";

// Milliseconds after which the catalog is told that a long upload is alive.
const TOUCH_EVERY = 5 * 60 * 1000;

/** The content of an upload that ends with its process. */
export class PlainContent implements S3Content {
  readonly resumable = false;
  readonly idleBytes = 0;
  readonly algorithms: readonly DigestAlgorithm[];
  readonly #context: S3Context;
  readonly #key: string;
  readonly #hasher: PartHasher;
  readonly #intake: PartIntake;
  readonly #parts: Part[] = [];
  #begun: Promise<string> | undefined;
  #entered = false;
  /** Whether the bucket has left a request without an answer. */
  #unanswered = false;
  #count = 0;
  #touchedAt = 0;
  #note: unknown;
  #committed: BlobStat | undefined;

  constructor(context: S3Context, about: { algorithms: readonly DigestAlgorithm[]; note: unknown }) {
    this.#context = context;
    this.#key = newKey(context);
    this.#note = about.note;
    this.algorithms = about.algorithms;
    this.#hasher = new PartHasher(context.threads, about.algorithms);
    const { slots } = context;
    this.#intake = new PartIntake({ hasher: this.#hasher, slots, store: (part) => this.#store(part) });
  }

  get offset(): number {
    return this.#intake.offset;
  }

  get head(): Buffer {
    return this.#intake.head;
  }

  get note(): unknown {
    return this.#note;
  }

  get committed(): BlobStat | undefined {
    return this.#committed;
  }

  async refresh(): Promise<boolean> {
    return true;
  }

  async open(): Promise<void> {}

  take(chunk: Uint8Array): Promise<void> | undefined {
    return this.#intake.take(chunk);
  }

  /** Whether its bytes are durable says nothing of an upload that nobody can go on with. */
  async sync(): Promise<void> {
    await this.#intake.settle();
  }

  async amend(note: unknown): Promise<void> {
    this.#note = note;
  }

  async digests(): Promise<readonly Digest[]> {
    return await this.#intake.digests();
  }

  async finish(): Promise<string> {
    if (this.#begun === undefined) {
      await this.#enter();
      await this.#asked(this.#context.bucket.put(this.#key, await this.#intake.last()));
      return this.#key;
    }
    const last = await this.#intake.last();
    if (last.bytes.length > 0) await this.#putPart(last);
    await this.#intake.settle();
    const parts = this.#parts.toSorted((a, b) => a.number - b.number);
    await this.#asked(this.#context.bucket.complete(this.#key, await this.#begun, parts));
    return this.#key;
  }

  async publish(object: StoredObject): Promise<void> {
    await this.#context.catalog.objects.publish(object);
    this.#committed = { digest: object.digest, size: object.size };
    this.#hasher.drop();
  }

  async reset(): Promise<void> {}

  shrink(): void {}

  async close(): Promise<void> {
    // Whatever went wrong there: nobody needs it any more.
    await this.#intake.settle().catch(() => undefined);
    this.#hasher.drop();
  }

  /**
   * A bucket that did not answer is not asked again, but by a sweep: the client would wait for that as long as it has
   * waited already, and be given up before it is told.
   */
  async remove(): Promise<void> {
    await this.close();
    if (!this.#entered || this.#committed !== undefined) return;
    await this.#context.catalog.objects.abandon(this.#key);
    if (!this.#unanswered) await removeAtOnce(this.#context, [this.#key]);
  }

  async #store({ payload }: CutPart): Promise<void> {
    await this.#putPart(payload);
    if (Date.now() - this.#touchedAt < TOUCH_EVERY) return;
    this.#touchedAt = Date.now();
    await this.#context.catalog.objects.touch(this.#key);
  }

  async #putPart(payload: Payload): Promise<void> {
    this.#count += 1;
    const number = this.#count;
    this.#begun ??= this.#begin();
    const sending = this.#context.bucket.putPart(this.#key, await this.#begun, number, payload);
    this.#parts.push(await this.#asked(sending));
  }

  async #asked<T>(request: Promise<T>): Promise<T> {
    return await request.catch((error: unknown) => {
      this.#unanswered ||= isLayerdError(error, "UNAVAILABLE");
      throw error;
    });
  }

  async #begin(): Promise<string> {
    await this.#enter();
    const multipart = await this.#asked(this.#context.bucket.createMultipart(this.#key));
    this.#touchedAt = Date.now();
    await this.#context.catalog.objects.touch(this.#key, multipart);
    return multipart;
  }

  async #enter(): Promise<void> {
    this.#entered = true;
    await this.#context.catalog.objects.enter(this.#key);
  }
}
