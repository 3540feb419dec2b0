import type { Digest } from "../../core/digest.ts";
import type { RepositoryName, Tag } from "../../core/name.ts";
import type {
  Checked,
  Collected,
  Explanation,
  Fault,
  InTrash,
  Progress,
  Registry,
  Restored,
  Rot,
  Scrubbed,
  Source,
  Stay,
  Verdict,
} from "../../create.ts";

/** What an operator does with a store, in this process or in the server that has it open. */
export interface Operations {
  collect(asked: CollectRequest): Promise<Collected>;
  trash(report: (found: InTrash) => void): Promise<void>;
  why(digest: Digest): Promise<Explanation>;
  restore(digest: Digest, to: Target): Promise<Restored>;
  scrub(asked: ScrubRequest): Promise<Scrubbed>;
  check(report: (fault: Fault) => void, signal?: AbortSignal): Promise<Checked>;
  /** All of it, to be copied. */
  readonly source: Source;
}

export interface CollectRequest {
  readonly dryRun: boolean;
  readonly report: (verdict: Verdict) => void;
  /** Told of what stays, and waited for; in a dry run. */
  readonly stays?: ((stay: Stay) => Promise<void> | undefined) | undefined;
}

export interface ScrubRequest {
  /** Bytes a second. Default: no limit. */
  readonly rate: number | undefined;
  readonly report: (rot: Rot) => void;
  readonly progress: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal;
}

/** Where something is restored to. */
export interface Target {
  readonly repository: RepositoryName;
  readonly tags: readonly Tag[];
}

const WHO = "operator";

/** @param nothingPromised whether no server has been running that clients may have talked to. */
export function operationsOf(registry: Registry, nothingPromised: boolean): Operations {
  return {
    collect: ({ stays, ...asked }) =>
      registry.collector.collect({ ...asked, ...(stays && { stays }), nothingPromised }),
    trash: async (report) => {
      for await (const found of registry.trash.list()) report(found);
    },
    why: (digest) => registry.explainer.explain(digest, { nothingPromised }),
    scrub: ({ rate, ...rest }) =>
      registry.scrubber.scrub({ ...rest, ...(rate === undefined ? {} : { rate }) }),
    check: (report, signal) => registry.checker.check({ report, ...(signal && { signal }) }),
    restore: (digest, { repository, tags }) => registry.trash.restore({ repository, who: WHO }, digest, tags),
    source: registry.source,
  };
}
