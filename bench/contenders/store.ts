import type { Server } from "../toolkit/server.ts";

/** The request that is to carry the bytes of an upload. */
export interface UploadRequest {
  readonly method: "POST" | "PUT";
  readonly url: string;
}

/** A server that stores blobs under their digest. */
export interface Store extends Server {
  /** Where a blob is read. */
  urlOf(digest: string): string;
  /** Opens an upload by the server's own API, the fastest way it has. */
  beginUpload(digest: string): Promise<UploadRequest>;
}
