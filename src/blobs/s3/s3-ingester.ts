import { randomBytes } from "node:crypto";
import { LayerdError } from "../../core/errors.ts";
import { isUploadId } from "../paths.ts";
import type { BeginOptions, BlobIngester, BlobUpload, StoredUpload, UploadId } from "../port.ts";
import { Queues } from "../queues.ts";
import type { S3Content } from "./content.ts";
import { removeAtOnce, type S3Context } from "./context.ts";
import { PlainContent } from "./plain-content.ts";
import { ResumableContent } from "./resumable-content.ts";
import { S3Upload } from "./s3-upload.ts";

const PAGE = 1000;

/** Uploads into the bucket. Knows those that are open in this process; the catalog knows the others. */
export class S3Ingester implements BlobIngester {
  readonly #context: S3Context;
  readonly #open = new Map<UploadId, S3Upload>();
  readonly #queues = new Queues<UploadId>();
  #closed = false;

  constructor(context: S3Context) {
    this.#context = context;
  }

  async begin(options: BeginOptions = {}): Promise<BlobUpload> {
    this.#assertOpen();
    const { id } = options;
    if (id === undefined) return await this.#start(randomBytes(16).toString("hex") as UploadId, options);
    if (!isUploadId(id)) throw new LayerdError("BLOB_UPLOAD_INVALID", "not an upload id");
    return await this.#queues.run(id, async () => {
      await this.#open.get(id)?.cancel();
      await removeAtOnce(this.#context, await this.#context.catalog.uploads.remove(id));
      return await this.#start(id, options);
    });
  }

  async resume(id: UploadId): Promise<BlobUpload | undefined> {
    this.#assertOpen();
    if (!isUploadId(id)) return undefined;
    return await this.#queues.run(id, () => this.#load(id));
  }

  async *uploads(): AsyncGenerator<StoredUpload> {
    for (let last: UploadId | undefined; ; ) {
      const page = await this.#context.catalog.uploads.list(last, PAGE);
      yield* page;
      last = page.at(-1)?.id;
      if (page.length < PAGE) return;
    }
  }

  async expire(id: UploadId, before: Date): Promise<boolean> {
    this.#assertOpen();
    return await this.#queues.run(id, async () => {
      const left = await this.#context.catalog.uploads.expire(id, before);
      if (left === undefined) return false;
      await removeAtOnce(this.#context, left);
      await this.#open.get(id)?.release();
      return true;
    });
  }

  /** Ends running appends, waits for everything else, and lets go of all uploads; then throws what went wrong. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queues.idle();
    const released = await Promise.allSettled([...this.#open.values()].map((upload) => upload.release()));
    for (const result of released) if (result.status === "rejected") throw result.reason;
  }

  async #load(id: UploadId): Promise<BlobUpload | undefined> {
    const open = this.#open.get(id);
    // However it ends: what is stored then is what there is.
    await open?.ending?.catch(() => undefined);
    if (open !== undefined && open.ending === undefined) return (await open.look()) ? open : undefined;
    const content = await ResumableContent.load(this.#context, id);
    return content && this.#add(id, content);
  }

  async #start(id: UploadId, options: BeginOptions): Promise<BlobUpload> {
    this.#assertOpen();
    return this.#add(id, await this.#content(id, options));
  }

  async #content(id: UploadId, options: BeginOptions): Promise<S3Content> {
    const { algorithms = ["sha256"], note, resumable = false } = options;
    if (!resumable) return new PlainContent(this.#context, { algorithms, note });
    await this.#context.catalog.uploads.create({ id, algorithms, note });
    const content = await ResumableContent.load(this.#context, id);
    if (content === undefined) throw new LayerdError("UNAVAILABLE", "another server has ended the upload");
    return content;
  }

  #add(id: UploadId, content: S3Content): S3Upload {
    const ended = (upload: S3Upload) => {
      if (this.#open.get(id) === upload) this.#open.delete(id);
    };
    const upload = new S3Upload(this.#context, { id, content, ended });
    this.#open.set(id, upload);
    return upload;
  }

  #assertOpen(): void {
    if (this.#closed) throw new LayerdError("UNAVAILABLE", "the store is closed");
  }
}
