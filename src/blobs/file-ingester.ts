import { randomBytes } from "node:crypto";
import { LayerdError } from "../core/errors.ts";
import { FileUpload, type FileUploadState, type UploadContext } from "./file-upload.ts";
import type { BlobLog } from "./log.ts";
import { isUploadId } from "./paths.ts";
import type { BeginOptions, BlobIngester, BlobUpload, StoredUpload, UploadId } from "./port.ts";
import { Queues } from "./queues.ts";
import type { StoredUploads } from "./stored-uploads.ts";

/** Uploads into files. Knows those that are open in this process; `StoredUploads` knows the others. */
export class FileIngester implements BlobIngester {
  readonly #context: UploadContext;
  readonly #stored: StoredUploads;
  readonly #open = new Map<UploadId, FileUpload>();
  readonly #queues = new Queues<UploadId>();
  #closed = false;

  constructor(context: Omit<UploadContext, "ended">, stored: StoredUploads) {
    this.#context = { ...context, ended: (upload) => this.#forget(upload) };
    this.#stored = stored;
  }

  async begin(options: BeginOptions = {}): Promise<BlobUpload> {
    this.#assertOpen();
    await this.#context.space.check();
    const { id } = options;
    if (id === undefined) return await this.#start(randomId(), options);
    if (!isUploadId(id)) throw new LayerdError("BLOB_UPLOAD_INVALID", "not an upload id");
    return await this.#queues.run(id, async () => {
      await this.#open.get(id)?.cancel();
      await this.#stored.remove(id);
      return await this.#start(id, options);
    });
  }

  async resume(id: UploadId): Promise<BlobUpload | undefined> {
    this.#assertOpen();
    if (!isUploadId(id)) return undefined;
    return this.#current(id) ?? (await this.#queues.run(id, () => this.#load(id)));
  }

  uploads(): AsyncIterable<StoredUpload> {
    return this.#stored.list();
  }

  /**
   * Removes what a process that died has left of uploads that cannot be resumed. Resolves when it is known
   * what that is; the work goes on in the background.
   */
  async clean(log: BlobLog | undefined): Promise<void> {
    for (const id of await this.#stored.leftovers()) {
      // Whoever begins an upload of that id has to queue behind.
      const removed = this.#queues.run(id, () => this.#stored.removeLeftover(id));
      removed.catch((err: unknown) =>
        log?.warn({ err, upload: id }, "a leftover of an upload cannot be removed"),
      );
    }
  }

  /** Ends running appends, waits for everything else, and lets go of all uploads. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queues.idle();
    await Promise.all([...this.#open.values()].map((upload) => upload.release()));
  }

  /** The object that stands for an upload now. */
  #current(id: UploadId): FileUpload | undefined {
    const open = this.#open.get(id);
    return open?.ending === undefined ? open : undefined;
  }

  async #load(id: UploadId): Promise<FileUpload | undefined> {
    // However it ends: what is stored then is what there is.
    await this.#open.get(id)?.ending?.catch(() => undefined);
    const current = this.#current(id);
    if (current !== undefined) return current;
    const state = await this.#stored.load(id);
    return state && this.#add(state);
  }

  async #start(id: UploadId, options: BeginOptions): Promise<FileUpload> {
    this.#assertOpen();
    const { algorithms = ["sha256"], note, resumable = false } = options;
    const record = resumable ? this.#stored.createRecord(id, { algorithms, note }) : undefined;
    const start = { offset: 0, synced: 0, head: Buffer.alloc(0), committed: undefined };
    const upload = this.#add({ id, algorithms, note, record, ...start });
    try {
      await record?.write();
      return upload;
    } catch (error) {
      // What cannot be removed now is an upload of no bytes that expires.
      await upload.cancel().catch(() => undefined);
      throw error;
    }
  }

  #add(state: FileUploadState): FileUpload {
    const upload = new FileUpload(this.#context, state);
    this.#open.set(state.id, upload);
    return upload;
  }

  #forget(upload: FileUpload): void {
    if (this.#open.get(upload.id) === upload) this.#open.delete(upload.id);
  }

  #assertOpen(): void {
    if (this.#closed) throw new LayerdError("UNAVAILABLE", "the store is closed");
  }
}

/** 128 bits. */
function randomId(): UploadId {
  return randomBytes(16).toString("hex") as UploadId;
}
