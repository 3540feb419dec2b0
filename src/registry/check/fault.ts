import type { Digest } from "../../core/digest.ts";
import type { RepositoryName, Tag } from "../../core/name.ts";

/** Something that the index says, and that is not so. */
export interface Fault {
  readonly repository: RepositoryName;
  readonly what: keyof typeof FAULTS;
  /** Of the blob or manifest concerned; of a tag, where it points. */
  readonly digest?: Digest;
  readonly tag?: Tag;
  /** The manifest that names the blob or manifest concerned. */
  readonly manifest?: Digest;
  readonly problem: string;
  /** What to do about it. */
  readonly remedy: string;
}

const PUSH_AGAIN = "push it again; if it was collected, `layerd trash restore` brings it back";
const PUSH_OVER = "push it again; until then `layerd scrub` takes the wrong bytes out of service";

const FAULTS = {
  "index-damaged": {
    problem: "lines of its index are damaged: the log names them when the repository is first used",
    remedy:
      "stop the server and bring its index back from a backup, or keep what could be read with `layerd check --repair`; nothing is collected until then",
  },
  "manifest-missing": { problem: "the bytes of this manifest are gone", remedy: PUSH_AGAIN },
  "manifest-size": { problem: "the bytes of this manifest have another length", remedy: PUSH_OVER },
  "blob-missing": { problem: "the bytes of this blob are gone", remedy: PUSH_AGAIN },
  "blob-size": { problem: "the bytes of this blob have another length", remedy: PUSH_OVER },
  "blob-unlinked": {
    problem: "a manifest names this blob, and the repository does not have it",
    remedy: "push the blob to the repository, or mount it from one that has it",
  },
  "child-missing": {
    problem: "an index names this manifest, and the repository does not have it",
    remedy: "push the manifest to the repository",
  },
  "tag-dangling": {
    problem: "the tag points at a manifest that the repository does not have",
    remedy: "push the tag again, or delete it",
  },
} as const;

export function makeFault(
  repository: RepositoryName,
  what: Fault["what"],
  about: Pick<Fault, "digest" | "tag" | "manifest"> = {},
): Fault {
  return { repository, what, ...about, ...FAULTS[what] };
}
