import type { Digest } from "../../core/digest.ts";
import type { BlobStat, BlobSweeper, Discarded, Inspected, Quarantined } from "../port.ts";
import type { StoredObject } from "./catalog.ts";
import { removeObject, type S3Context } from "./context.ts";
import { readWhole } from "./read-whole.ts";
import { S3Blob } from "./s3-blob.ts";

const PAGE = 1000;

/** Milliseconds for which an object that nothing needs any more stays, for whoever has a handle of it. */
export const HANDLES_LIVE = 60 * 60 * 1000;

/** What collecting and scrubbing do: almost all of it in the catalog alone. */
export class S3Sweeper implements BlobSweeper {
  readonly #context: S3Context;

  constructor(context: S3Context) {
    this.#context = context;
  }

  async *list(after?: Digest): AsyncGenerator<Digest> {
    for (let last = after; ; ) {
      const page = await this.#objects.page(last, PAGE);
      yield* page;
      last = page.at(-1);
      if (page.length < PAGE) return;
    }
  }

  async inspect(digest: Digest): Promise<Inspected | undefined> {
    const object = await this.#objects.live(digest);
    const size = object && (await this.#context.bucket.size(object.key));
    if (object === undefined || size === undefined) return undefined;
    return {
      handle: new S3Blob(this.#context.bucket, { ...object, size }),
      quarantine: async () => (await this.#objects.quarantine(object.key)) && {},
    };
  }

  async discard(digest: Digest): Promise<BlobStat | undefined> {
    const object = await this.#objects.discard(digest);
    return object && { digest, size: object.size };
  }

  async *discarded(): AsyncGenerator<Discarded> {
    for (let last: Digest | undefined; ; ) {
      const page = await this.#objects.trash(last, PAGE);
      yield* page;
      last = page.at(-1)?.digest;
      if (page.length < PAGE) return;
    }
  }

  async peek(digest: Digest, length: number): Promise<Buffer | undefined> {
    const object = await this.#objects.trashed(digest);
    return object && (await readWhole(this.#context.bucket, firstBytes(object, length)));
  }

  async restore(digest: Digest): Promise<boolean> {
    return await this.#objects.restore(digest);
  }

  /** What has been in the trash for long enough is removed at once; the rest, by the next `sweepOrphans`. */
  async purge(digest: Digest): Promise<void> {
    const object = await this.#objects.trashed(digest);
    if (object === undefined) return;
    await this.#objects.purge(digest);
    await this.#remove([object.key]);
  }

  async *quarantined(): AsyncGenerator<Quarantined> {
    for (let last: string | undefined; ; ) {
      const page = await this.#objects.quarantined(last, PAGE);
      for (const { digest, size, quarantinedAt } of page) yield { digest, size, quarantinedAt };
      last = page.at(-1)?.key;
      if (page.length < PAGE) return;
    }
  }

  /** As `purge`. */
  async dispose(digest: Digest): Promise<void> {
    await this.#remove(await this.#objects.dispose(digest));
  }

  /** A bucket has no end; what an account may store, its uploads are told when they get there. */
  async short(): Promise<boolean> {
    return false;
  }

  /** Removes garbage that has been out of use for long enough. */
  async #remove(keys: readonly string[]): Promise<void> {
    const which = { before: new Date(Date.now() - HANDLES_LIVE), keys };
    for (const dead of await this.#objects.garbage(which, keys.length))
      await removeObject(this.#context, dead);
  }

  get #objects(): S3Context["catalog"]["objects"] {
    return this.#context.catalog.objects;
  }
}

function firstBytes(object: StoredObject, length: number): StoredObject {
  return { ...object, size: Math.min(object.size, length) };
}
