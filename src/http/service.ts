import type { Digest } from "../core/digest.ts";
import type { Registry } from "../registry/registry.ts";
import type { Links } from "./links.ts";

/** What handlers work with. */
export interface Service {
  readonly registry: Registry;
  readonly links: Links;
  /** `private` where the answer depends on who asks (RFC 9111 §5.2.2.7), else `public`. */
  readonly cacheScope: "public" | "private";
  /** Whether nobody decides who may read what. */
  readonly everybodyReads: boolean;
  /**
   * A URL under which the bytes of a blob can be had elsewhere for a while, by whoever has it; absent where all are
   * sent from here.
   */
  readonly elsewhere?: ((digest: Digest) => Promise<string | undefined>) | undefined;
  /** Bytes that a JSON body may have. */
  readonly jsonLimit: number;
}
