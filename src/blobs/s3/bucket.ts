import type { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { LayerdError } from "../../core/errors.ts";
import type { ByteSpan } from "../port.ts";
import type { Part } from "./catalog.ts";
import type { S3Clients } from "./client.ts";
import { isInvalidRange, isMissingMultipart, isMissingObject, toStoreError } from "./errors.ts";

/** Bytes that are sent in one request, with their SHA-256 in hexadecimal: S3 refuses them when it gets others. */
export interface Payload {
  readonly bytes: Buffer;
  readonly sha256: string;
}

export interface ListedObject {
  readonly key: string;
  readonly modifiedAt: Date;
}

export interface ListedMultipart {
  readonly key: string;
  readonly multipart: string;
  readonly begunAt: Date;
}

/** What the answer to a presigned GET is to say of itself. */
export interface PresignOptions {
  /** Seconds, from 1 to 604,800. */
  readonly expiresIn: number;
  readonly contentType?: string;
  readonly contentDisposition?: string;
}

const WHEN_BUILT = { step: "build", name: "payloadHash" } as const;

/** The requests that the store makes, in one bucket. Each throws UNAVAILABLE or STORE_FULL when S3 does not do it. */
export class Bucket {
  readonly name: string;
  readonly #clients: S3Clients;
  readonly #client: S3Client;

  constructor(name: string, clients: S3Clients) {
    this.name = name;
    this.#clients = clients;
    this.#client = clients.client;
  }

  async put(key: string, payload: Payload): Promise<void> {
    const command = new PutObjectCommand({ Bucket: this.name, Key: key, Body: payload.bytes });
    command.middlewareStack.add((next) => (args) => next(signing(args, payload)), WHEN_BUILT);
    await this.#client.send(command).catch(fail);
  }

  /** @returns S3's id of the multipart upload. */
  async createMultipart(key: string): Promise<string> {
    const command = new CreateMultipartUploadCommand({ Bucket: this.name, Key: key });
    const { UploadId } = await this.#client.send(command).catch(fail);
    return given(UploadId);
  }

  async putPart(key: string, multipart: string, number: number, payload: Payload): Promise<Part> {
    const place = { Bucket: this.name, Key: key, UploadId: multipart, PartNumber: number };
    const command = new UploadPartCommand({ ...place, Body: payload.bytes });
    command.middlewareStack.add((next) => (args) => next(signing(args, payload)), WHEN_BUILT);
    const { ETag } = await this.#client.send(command).catch(failUpload);
    return { number, etag: given(ETag), size: payload.bytes.length };
  }

  /**
   * Makes the parts, in the order of their numbers, an object. An answer that was lost counts as given, if it can be
   * seen that it was.
   */
  async complete(key: string, multipart: string, parts: readonly Part[]): Promise<void> {
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    const command = new CompleteMultipartUploadCommand({
      Bucket: this.name,
      Key: key,
      UploadId: multipart,
      MultipartUpload: { Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })) },
      MpuObjectSize: size,
    });
    try {
      await this.#clients.patient.send(command);
    } catch (error) {
      if (!isMissingMultipart(error) || (await this.size(key)) !== size) failUpload(error);
    }
  }

  /** Idempotent. */
  async abort(key: string, multipart: string): Promise<void> {
    const command = new AbortMultipartUploadCommand({ Bucket: this.name, Key: key, UploadId: multipart });
    await this.#client.send(command).catch((error: unknown) => {
      if (!isMissingMultipart(error)) fail(error);
    });
  }

  /** Idempotent. */
  async remove(key: string): Promise<void> {
    await this.#client
      .send(new DeleteObjectCommand({ Bucket: this.name, Key: key }))
      .catch((error: unknown) => {
        if (!isMissingObject(error)) fail(error);
      });
  }

  /**
   * Bytes of an object; `undefined` when it is not there. Asked for with a GET of one byte: the answer to a HEAD has
   * no body to tell an object that is missing from a bucket that is.
   */
  async size(key: string, abortSignal?: AbortSignal): Promise<number | undefined> {
    const command = new GetObjectCommand({ Bucket: this.name, Key: key, Range: "bytes=0-0" });
    try {
      const { ContentRange, ContentLength, Body } = await this.#client.send(command, { abortSignal });
      for await (const _ of Body as Readable);
      // The whole, where ranges are not understood.
      return Number(ContentRange?.split("/")[1] ?? ContentLength);
    } catch (error) {
      if (isMissingObject(error)) return undefined;
      if (isInvalidRange(error)) return 0;
      throw toStoreError(error);
    }
  }

  /**
   * The bytes of a span, which is not empty, as they arrive; `undefined` when the object is not there. The caller
   * reads the stream to its end or destroys it.
   */
  async get(key: string, { start, end }: ByteSpan, signal: AbortSignal): Promise<Readable | undefined> {
    const command = new GetObjectCommand({ Bucket: this.name, Key: key, Range: `bytes=${start}-${end - 1}` });
    try {
      const { Body, ContentRange } = await this.#client.send(command, { abortSignal: signal });
      if (ContentRange?.startsWith(`bytes ${start}-${end - 1}/`)) return Body as Readable;
      (Body as Readable).destroy();
      throw new Error(`bytes ${start}-${end - 1} were asked for, ${ContentRange} came`);
    } catch (error) {
      if (isMissingObject(error)) return undefined;
      throw toStoreError(error);
    }
  }

  /** Every object below a prefix, by pages, in the order of the keys. */
  async *objects(prefix: string): AsyncGenerator<ListedObject[]> {
    for (let after: string | undefined, more = true; more; ) {
      const command = new ListObjectsV2Command({
        Bucket: this.name,
        Prefix: prefix,
        ContinuationToken: after,
      });
      const { Contents = [], NextContinuationToken } = await this.#client.send(command).catch(fail);
      yield Contents.map(({ Key, LastModified }) => ({ key: given(Key), modifiedAt: given(LastModified) }));
      after = NextContinuationToken;
      more = after !== undefined && after !== "";
    }
  }

  /** Every multipart upload below a prefix that has been neither completed nor aborted, by pages. */
  async *multiparts(prefix: string): AsyncGenerator<ListedMultipart[]> {
    let markers: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
    for (let more = true; more; ) {
      const command = new ListMultipartUploadsCommand({ Bucket: this.name, Prefix: prefix, ...markers });
      const page = await this.#client.send(command).catch(fail);
      yield (page.Uploads ?? []).map(({ Key, UploadId, Initiated }) => ({
        key: given(Key),
        multipart: given(UploadId),
        begunAt: given(Initiated),
      }));
      markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
      more = page.IsTruncated === true;
    }
  }

  /** A URL under which anybody gets the object from S3, for a while. Asks nobody. */
  async presign(key: string, options: PresignOptions): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.name,
      Key: key,
      ResponseContentType: options.contentType,
      ResponseContentDisposition: options.contentDisposition,
    });
    return await getSignedUrl(this.#clients.public, command, { expiresIn: options.expiresIn }).catch(fail);
  }

  /** Ends all connections. */
  close(): void {
    for (const client of Object.values(this.#clients)) client.destroy();
  }
}

/** Has the hash signed that was computed as the bytes came in, rather than one of what memory holds by now. */
function signing<Args extends { readonly request: unknown }>(args: Args, { sha256 }: Payload): Args {
  const { headers } = args.request as { readonly headers: Record<string, string> };
  headers["x-amz-content-sha256"] = sha256;
  return args;
}

/** What every S3 gives. */
function given<T>(value: T | undefined): T {
  if (value === undefined) throw toStoreError(new Error("the answer of the object store lacks something"));
  return value;
}

/** Somebody else may have ended the upload: a rule of the bucket, perhaps. */
function failUpload(error: unknown): never {
  if (!isMissingMultipart(error)) fail(error);
  throw new LayerdError("BLOB_UPLOAD_UNKNOWN", "the object store has forgotten the upload; begin it anew");
}

function fail(error: unknown): never {
  throw toStoreError(error);
}
