import { LRUCache } from "lru-cache";
import { algorithmOf, type Digest, digestOf } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import { BytesBlob } from "../bytes-blob.ts";
import type { CacheCounts } from "../file-reader.ts";
import type { BlobHandle, BlobReader, BlobStat } from "../port.ts";
import type { StoredObject } from "./catalog.ts";
import type { S3Context } from "./context.ts";
import { readWhole } from "./read-whole.ts";
import { S3Blob } from "./s3-blob.ts";

// Bytes. A blob up to this size is read whole, verified and kept in memory.
const SMALL = 64 * 1024;
// Bytes that small blobs in memory may take, and what each takes beside its own.
const BUDGET = 64 * 1024 * 1024;
const ENTRY = 5 * 1024;
type Look = "there" | "missing" | "damaged";

// Milliseconds for which a look at a large object holds, by what was seen. Of one that is not served people have to
// be told for long enough to push it again.
const LOOK_HOLDS: Readonly<Record<Look, number>> = { there: 10_000, missing: 600_000, damaged: 600_000 };
const LOOKS_MAX = 10_000;

/**
 * Blobs by way of the catalog, which is asked every time: another server may just have discarded one. What is
 * remembered is remembered by the object's key, and under one key there are never other bytes.
 */
export class S3Reader implements BlobReader {
  readonly #context: S3Context;
  readonly #counts: CacheCounts;
  readonly #small = new LRUCache<string, BytesBlob>({
    maxSize: BUDGET,
    sizeCalculation: ({ size }) => ENTRY + size,
  });
  readonly #looks = new LRUCache<string, Look>({ max: LOOKS_MAX });
  #closed = false;

  constructor(context: S3Context, counts: CacheCounts) {
    this.#context = context;
    this.#counts = counts;
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    const object = await this.#find(digest);
    return object && { digest, size: object.size };
  }

  async open(digest: Digest): Promise<BlobHandle | undefined> {
    const object = await this.#find(digest);
    if (object === undefined) return undefined;
    const cached = this.#small.get(object.key);
    if (cached !== undefined) this.#counts.hits += 1;
    if (cached !== undefined) return cached;
    if (object.size <= SMALL) return await this.#load(object);
    const look = this.#looks.get(object.key) ?? (await this.#look(object));
    return look === "there" ? new S3Blob(this.#context.bucket, object) : undefined;
  }

  /** The key of a blob's object. */
  async locate(digest: Digest): Promise<string | undefined> {
    return (await this.#find(digest))?.key;
  }

  /** Nothing is found any more. Open handles stay readable. */
  close(): void {
    this.#closed = true;
  }

  /** Whoever is told that a blob is missing, or damaged, is told so of its stat too: that makes clients push it again. */
  async #find(digest: Digest): Promise<StoredObject | undefined> {
    if (this.#closed) throw new LayerdError("UNAVAILABLE", "the store is closed");
    const object = await this.#context.catalog.objects.live(digest);
    const look = object && this.#looks.get(object.key);
    return look === undefined || look === "there" ? object : undefined;
  }

  async #load(object: StoredObject): Promise<BlobHandle | undefined> {
    this.#counts.misses += 1;
    const { key, digest, size } = object;
    const bytes = await readWhole(this.#context.bucket, object);
    if (bytes === undefined) return this.#learn(object, "missing");
    if (bytes.length !== size || digestOf(bytes, algorithmOf(digest)) !== digest)
      return this.#learn(object, "damaged");
    const blob = new BytesBlob(digest, bytes);
    this.#small.set(key, blob);
    return blob;
  }

  async #look(object: StoredObject): Promise<Look> {
    const size = await this.#context.bucket.size(object.key);
    const look = size === undefined ? "missing" : size === object.size ? "there" : "damaged";
    this.#learn(object, look);
    return look;
  }

  #learn({ key, digest }: StoredObject, look: Look): undefined {
    this.#looks.set(key, look, { ttl: LOOK_HOLDS[look] });
    if (look === "there") return;
    this.#context.log?.warn(
      { digest, key },
      `a blob is ${look}: it is not served until it has been pushed again`,
    );
  }
}
