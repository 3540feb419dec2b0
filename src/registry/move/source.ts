import type { Readable } from "node:stream";
import type { BlobStore } from "../../blobs/port.ts";
import type { Awaitable } from "../../core/awaitable.ts";
import type { Digest } from "../../core/digest.ts";
import type { Index } from "../../index/port.ts";

type Questions = "repositories" | "intact" | "blobs" | "manifests" | "tags" | "blob" | "manifest" | "tag";

/**
 * A store that is copied: what its index knows, page by page, and its bytes. It may be in this process, or in the
 * server that has it open; nothing in it is changed.
 */
export interface Source extends Pick<Index, Questions> {
  /** What is stored under a digest, whatever it is: nobody has looked at it. `undefined` when nothing is. */
  bytes(digest: Digest): Promise<SourceBytes | undefined>;
}

export interface SourceBytes {
  readonly size: number;
  /** Fails when the bytes cannot be read. */
  readonly stream: Readable;
  /** To be called when the stream has ended or is not wanted any more. */
  close(): Awaitable<void>;
}

/** A store of this process as one that is copied. */
export function sourceOf({ blobs, index }: { blobs: BlobStore; index: Index }): Source {
  return {
    repositories: (page) => index.repositories(page),
    intact: (repository) => index.intact(repository),
    blobs: (repository, page) => index.blobs(repository, page),
    manifests: (repository, page) => index.manifests(repository, page),
    tags: (repository, page) => index.tags(repository, page),
    blob: (repository, digest) => index.blob(repository, digest),
    manifest: (repository, digest) => index.manifest(repository, digest),
    tag: (repository, tag) => index.tag(repository, tag),
    bytes: async (digest) => {
      const inspected = await blobs.inspect(digest);
      if (inspected === undefined) return undefined;
      const { handle } = inspected;
      const stream = handle.stream();
      const close = async () => {
        stream.destroy();
        await handle.close();
      };
      return { size: handle.size, stream, close };
    },
  };
}
