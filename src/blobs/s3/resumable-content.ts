import type { Digest, DigestAlgorithm } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import type { BlobStat } from "../port.ts";
import type { Payload } from "./bucket.ts";
import type { Part, StoredObject, UploadRow } from "./catalog.ts";
import type { S3Content } from "./content.ts";
import { removeAtOnce, type S3Context } from "./context.ts";
import { PartHasher } from "./part-hasher.ts";
import { type CutPart, PartIntake } from "./part-intake.ts";
import { PartLog, type SentPart } from "./part-log.ts";
import { enterObject, readPiece, storePiece } from "./pieces.ts";
import { StoredRow } from "./stored-row.ts";

// So many objects of the tail are made one with the next.
const PIECES_MAX = 16;

/**
 * The content of an upload that any server can go on with. What is stored of it is a row of the catalog, and the
 * parts and pieces that it names. Every change of the row is one of the version that this server knows; when another
 * server has changed it, what this one has taken since is worth nothing, and it is told so.
 */
export class ResumableContent implements S3Content {
  readonly resumable = true;
  readonly #context: S3Context;
  #stored: StoredRow;
  /** Whether the object that the row was sealed for is there. */
  #completed = false;
  #intake: PartIntake | undefined;
  /** Knows what was hashed of the row's bytes, as long as no other server goes on with them. */
  #hasher: PartHasher | undefined;
  #stale = false;
  #refreshing: Promise<boolean> | undefined;
  #begun: Promise<void> | undefined;
  #log: PartLog;

  private constructor(context: S3Context, row: UploadRow) {
    this.#context = context;
    this.#stored = new StoredRow(context.catalog.uploads, row);
    this.#log = new PartLog((parts) => this.#enter(parts));
  }

  /** `undefined` when there is no such upload. */
  static async load(context: S3Context, id: UploadRow["id"]): Promise<ResumableContent | undefined> {
    const row = await context.catalog.uploads.load(id);
    if (row === undefined) return undefined;
    const content = new ResumableContent(context, row);
    await content.#become(row);
    return content;
  }

  get #row(): UploadRow {
    return this.#stored.row;
  }

  get offset(): number {
    return this.#intake?.offset ?? this.#row.size;
  }

  get head(): Buffer {
    return this.#intake?.head ?? this.#row.head;
  }

  get note(): unknown {
    return this.#row.note;
  }

  get committed(): BlobStat | undefined {
    const [digest] = this.#row.digests;
    return this.#row.committed && digest !== undefined ? { digest, size: this.#row.size } : undefined;
  }

  get algorithms(): readonly DigestAlgorithm[] {
    return this.#row.algorithms;
  }

  get idleBytes(): number {
    const intake = this.#intake;
    return intake === undefined || intake.offset !== this.#row.size ? 0 : intake.memory;
  }

  async refresh(): Promise<boolean> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return await this.#refreshing;
  }

  async open(): Promise<void> {
    if (this.#completed) throw new LayerdError("BLOB_UPLOAD_INVALID", "the upload is already complete");
    this.#intake ??= await this.#restore();
  }

  take(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#intake === undefined) throw new Error("the upload is not open");
    return this.#intake.take(chunk);
  }

  async sync(): Promise<void> {
    const intake = this.#intake;
    if (intake === undefined) return;
    await intake.cutEarly();
    await this.#settle(intake);
    if (intake.offset > this.#row.size) await this.#storeTail(intake);
  }

  async amend(note: unknown): Promise<void> {
    const { uploads } = this.#context.catalog;
    await this.#stored.change(
      (upload) => uploads.amend(upload, note),
      () => ({ note }),
    );
  }

  async digests(): Promise<readonly Digest[]> {
    const { digests, hashes, size } = this.#row;
    if (this.#completed) return digests;
    if (this.offset === size && hashes.length > 0) return hashes;
    this.#intake ??= await this.#restore();
    return await this.#intake.digests();
  }

  async finish(digests: readonly Digest[]): Promise<string> {
    const { key, tail, size } = this.#row;
    if (this.#completed && key !== undefined) return key;
    if (this.#intake !== undefined) await this.#settle(this.#intake);
    const [piece] = tail;
    const stored = piece !== undefined && piece.size === this.offset && size === this.offset;
    if (this.#row.parts.length === 0) return stored ? piece.key : await this.#putWhole();
    return await this.#complete(digests);
  }

  async publish(object: StoredObject, digests: readonly Digest[]): Promise<void> {
    const { head } = this;
    const { size } = object;
    const left = this.#row.tail.map(({ key }) => key).filter((key) => key !== object.key);
    await this.#stored.change(
      (upload) => this.#context.catalog.uploads.commit(upload, object, { head, digests }),
      () => ({ committed: true, digests, size, head, tail: [] }),
    );
    await this.close();
    await removeAtOnce(this.#context, left);
  }

  async reset(): Promise<void> {
    await this.close();
    this.#stale = true;
  }

  shrink(): void {
    this.#intake = undefined;
  }

  async close(): Promise<void> {
    const intake = this.#intake;
    this.#intake = undefined;
    // What went wrong there is not stored, and counts no more.
    if (intake !== undefined) await this.#settle(intake).catch(() => undefined);
    this.#hasher?.drop();
    this.#hasher = undefined;
  }

  async remove(): Promise<void> {
    await this.close();
    await removeAtOnce(this.#context, await this.#context.catalog.uploads.remove(this.#row.id));
  }

  async #refresh(): Promise<boolean> {
    const whole = !this.#stale && this.#intake?.failed !== true;
    if (whole && (await this.#stored.isCurrent())) return true;
    await this.close();
    const row = await this.#context.catalog.uploads.load(this.#row.id);
    if (row === undefined) return false;
    await this.#become(row);
    this.#stale = false;
    return true;
  }

  async #become(row: UploadRow): Promise<void> {
    const { key, sealed, committed } = row;
    const unsure = sealed !== undefined && key !== undefined && !committed;
    this.#completed = unsure && (await this.#context.bucket.size(key)) === sealed;
    const known = this.#completed && sealed !== undefined ? { ...row, size: sealed } : row;
    this.#stored = new StoredRow(this.#context.catalog.uploads, known);
    this.#log = new PartLog((parts) => this.#enter(parts));
    this.#begun = row.multipart === undefined ? undefined : Promise.resolve();
  }

  async #restore(): Promise<PartIntake> {
    const { nextPart, parts, tail, head } = this.#row;
    const pieces = await Promise.all(tail.map((piece) => readPiece(this.#context, piece)));
    const offset = parts.reduce((sum, { size }) => sum + size, 0);
    const from = { part: nextPart, offset, tail: pieces, head };
    const { slots, threads } = this.#context;
    // Of what another server has sent, nobody knows the state of the hash.
    this.#hasher ??= new PartHasher(threads, offset === 0 ? this.algorithms : []);
    return new PartIntake({ hasher: this.#hasher, slots, store: (part) => this.#store(part), from });
  }

  /** Resolves when all parts that were cut are stored; throws what went wrong. */
  async #settle(intake: PartIntake): Promise<void> {
    const [sent] = await Promise.allSettled([intake.settle()]);
    await this.#log.settle();
    if (sent.status === "rejected") throw sent.reason;
  }

  async #store({ payload, ...part }: CutPart): Promise<void> {
    await this.#log.add(this.#putPart(payload).then((sent) => ({ ...part, part: sent })));
  }

  async #enter(sent: readonly SentPart[]): Promise<void> {
    const last = sent.at(-1);
    if (last === undefined) return;
    const left = this.#row.tail.map(({ key }) => key);
    const progress = { size: last.end, head: last.head, hashes: last.digests, tail: [] };
    const entered = sent.map(({ part }) => part);
    await this.#stored.change(
      (upload) => this.#context.catalog.uploads.progress(upload, progress, entered),
      ({ parts }) => ({ ...progress, parts: [...parts, ...entered] }),
    );
    await removeAtOnce(this.#context, left);
  }

  async #putPart(payload: Payload): Promise<Part> {
    this.#begun ??= this.#begin();
    await this.#begun;
    const number = await this.#stored.nextNumber();
    const { key, multipart } = this.#row;
    if (key === undefined || multipart === undefined) throw new Error("the parts have no object");
    return await this.#context.bucket.putPart(key, multipart, number, payload);
  }

  async #begin(): Promise<void> {
    const { bucket, catalog } = this.#context;
    const key = await enterObject(this.#context, this.#row.id);
    const multipart = await bucket.createMultipart(key);
    await this.#stored.change(
      (upload) => catalog.uploads.startParts(upload, { key, multipart }),
      () => ({ key, multipart }),
    );
  }

  /** Stores the bytes behind the last part and behind the tail that is stored already. */
  async #storeTail(intake: PartIntake): Promise<void> {
    const { id, tail: older } = this.#row;
    const kept = older.length < PIECES_MAX ? older : [];
    const known = kept.reduce((sum, { size }) => sum + size, 0);
    const piece = await storePiece(this.#context, id, intake.rest.subarray(known));
    const tail = [...kept, piece];
    const progress = { size: intake.offset, head: intake.head, hashes: await intake.digests(), tail };
    await this.#stored.change(
      (upload) => this.#context.catalog.uploads.progress(upload, progress, []),
      () => progress,
    );
    if (kept.length === 0)
      await removeAtOnce(
        this.#context,
        older.map(({ key }) => key),
      );
  }

  async #putWhole(): Promise<string> {
    this.#intake ??= await this.#restore();
    const key = await enterObject(this.#context, this.#row.id);
    await this.#context.bucket.put(key, await this.#intake.last());
    return key;
  }

  /** The rest becomes the last part, which is not noted: should this fail, others may follow instead of it. */
  async #complete(digests: readonly Digest[]): Promise<string> {
    const { bucket, catalog } = this.#context;
    this.#intake ??= await this.#restore();
    const last = await this.#intake.last();
    const rest = last.bytes.length > 0 ? [await this.#putPart(last)] : [];
    const size = this.offset;
    await this.#stored.change(
      (upload) => catalog.uploads.seal(upload, size, digests),
      () => ({}),
    );
    const { key, multipart, parts } = this.#row;
    if (key === undefined || multipart === undefined) throw new Error("the parts have no object");
    await bucket.complete(key, multipart, [...parts, ...rest]);
    return key;
  }
}
