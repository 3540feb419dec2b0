import { randomBytes } from "node:crypto";
import type { Lock, Locks } from "../cluster/port.ts";
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
  readonly #locks: Locks | undefined;
  readonly #open = new Map<UploadId, FileUpload>();
  readonly #queues = new Queues<UploadId>();
  #closed = false;

  /** @param locks what processes agree by who has an upload open, when several use the directory */
  constructor(context: Omit<UploadContext, "ended">, stored: StoredUploads, locks?: Locks) {
    this.#context = { ...context, ended: (upload) => this.#forget(upload) };
    this.#stored = stored;
    this.#locks = locks;
  }

  async begin(options: BeginOptions = {}): Promise<BlobUpload> {
    this.#assertOpen();
    await this.#context.space.check();
    const { id } = options;
    if (id === undefined) return await this.#start(randomId(), options);
    if (!isUploadId(id)) throw new LayerdError("BLOB_UPLOAD_INVALID", "not an upload id");
    return await this.#queues.run(id, async () => {
      await this.#open.get(id)?.cancel();
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

  async expire(id: UploadId, before: Date): Promise<boolean> {
    this.#assertOpen();
    return await this.#queues.run(id, async () => {
      const touchedAt = await this.#stored.touchedAt(id);
      if (touchedAt === undefined || touchedAt >= before) return false;
      const open = this.#open.get(id);
      if (open === undefined) await this.#removeStored(id);
      else await open.cancel();
      return true;
    });
  }

  /** Not resumed before: what a process that died has left would be copied. */
  async #removeStored(id: UploadId): Promise<void> {
    const lock = await this.#locks?.take(`upload ${id}`);
    try {
      await this.#stored.remove(id);
    } finally {
      await lock?.release();
    }
  }

  /**
   * Removes what a process that died has left of uploads that cannot be resumed. Resolves when it is known
   * what that is; the work goes on in the background.
   * @param olderThan only what has not been touched since: the rest may be another process's
   */
  async clean(log: BlobLog | undefined, olderThan?: Date): Promise<void> {
    for (const name of await this.#stored.leftovers(olderThan)) {
      const { id } = name;
      if (this.#open.has(id)) continue;
      // Whoever begins an upload of that id has to queue behind.
      const removed = this.#queues.run(id, () => this.#stored.removeLeftover(name, olderThan));
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
    if (this.#locks === undefined) return this.#added(await this.#stored.load(id));
    // Who asks for what is not there need not wait for anybody.
    if (!(await this.#stored.has(id))) return undefined;
    return await this.#locked(id, async (lock) => this.#added(await this.#stored.load(id, lock)));
  }

  #added(state: FileUploadState | undefined): FileUpload | undefined {
    return state && this.#add(state);
  }

  /** Runs `work` with the lock of an upload, which the upload that comes of it keeps. */
  async #locked<T extends FileUpload | undefined>(
    id: UploadId,
    work: (lock: Lock | undefined) => Promise<T>,
  ): Promise<T> {
    const lock = await this.#locks?.take(`upload ${id}`);
    let upload: FileUpload | undefined;
    try {
      upload = await work(lock);
      return upload as T;
    } finally {
      if (upload === undefined) await lock?.release();
    }
  }

  async #start(id: UploadId, options: BeginOptions): Promise<FileUpload> {
    this.#assertOpen();
    // Nobody else can know an id that was drawn just now, unless it is to be found on the disk.
    if (options.id === undefined && options.resumable !== true) return await this.#create(id, options);
    return await this.#locked(id, async (lock) => {
      if (options.id !== undefined) await this.#stored.remove(id);
      return await this.#create(id, options, lock);
    });
  }

  async #create(id: UploadId, options: BeginOptions, lock?: Lock): Promise<FileUpload> {
    const { algorithms = ["sha256"], note, resumable = false } = options;
    const record = resumable ? this.#stored.createRecord(id, { algorithms, note }, lock) : undefined;
    const start = { offset: 0, synced: 0, head: Buffer.alloc(0), committed: undefined };
    const upload = this.#add({ id, algorithms, note, record, lock, ...start });
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
    if (state.lock !== undefined) this.#share(upload, state.lock.signal);
    return upload;
  }

  /** Lets another process have an upload that it asks for. */
  #share(upload: FileUpload, asked: AbortSignal): void {
    // A release that fails has closed what it could; the upload is found again by its record.
    const release = () => void upload.release().catch(() => undefined);
    if (asked.aborted) release();
    else asked.addEventListener("abort", release, { once: true });
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
