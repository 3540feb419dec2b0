import { LRUCache } from "lru-cache";
import type { S3Content } from "./content.ts";

// Bytes.
const BUDGET = 128 * 1024 * 1024;

/**
 * Contents that nobody works on between two requests, and that are stored: the bytes of their last part are kept in
 * memory while there is room, so that the next request need not read them from S3.
 */
export class IdleContents {
  readonly #contents = new LRUCache<S3Content, number>({
    maxSize: BUDGET,
    sizeCalculation: (bytes) => bytes,
    dispose: (_bytes, content, reason) => {
      if (reason === "evict") content.shrink();
    },
  });

  /** Somebody works on it: what it has in memory stays there. */
  busy(content: S3Content): void {
    this.#contents.delete(content);
  }

  /** Nobody does any more. */
  idle(content: S3Content): void {
    const bytes = content.idleBytes;
    // Larger than all there is, it would be refused, not forgotten.
    if (bytes > BUDGET) content.shrink();
    else if (bytes > 0) this.#contents.set(content, bytes);
  }
}
