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
  /** Bytes that a JSON body may have. */
  readonly jsonLimit: number;
}
