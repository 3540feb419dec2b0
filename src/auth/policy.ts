import type { Digest } from "../core/digest.ts";
import type { RepositoryName, Tag } from "../core/name.ts";

export type Action = "pull" | "push" | "delete" | "list";

/** What somebody wants to do; enough for a host application to decide. */
export interface AccessRequest {
  /** Whatever the host application put into `ctx.state.user`. */
  readonly user: unknown;
  /** The caller's name, "anonymous" when nobody said. */
  readonly who: string;
  readonly action: Action;
  readonly repository: RepositoryName;
  readonly digest?: Digest;
  readonly tag?: Tag;
}

/** Decides on one request. Anything but `true` is refused with 403. */
export type Authorize = (request: AccessRequest) => boolean | Promise<boolean>;

/** Without a hook everybody who reaches the server may do everything: it listens on loopback by default. */
export const allowEverything: Authorize = () => true;
