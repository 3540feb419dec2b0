import type { Digest } from "../../core/digest.ts";
import { isLayerdError } from "../../core/errors.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { RepositoryRules, Rules } from "../../core/rules.ts";
import type { Change, Index, Requirement } from "../../index/port.ts";
import type { Run } from "./collected.ts";
import { inGroups } from "./groups.ts";
import { unneededManifests } from "./manifests.ts";
import { leavingTags } from "./retention.ts";
import { everyTag, unusedBlobs } from "./walk.ts";

// As many changes of the index are on their way to the disk at a time: they share its syncs.
const AT_ONCE = 32;
const WHO = "gc";
const NOTHING: ReadonlySet<Digest> = new Set();

/**
 * Takes out of a repository what nobody needs: tags, then manifests, then links of blobs. Each is removed under
 * requirements that make it a step of its own: whoever comes between is not overruled, and the next collection
 * judges anew.
 */
export class IndexCollector {
  readonly #index: Index;
  readonly #rules: Rules;
  readonly #grace: number;

  /** @param grace milliseconds for which whatever nobody needs is kept. */
  constructor(index: Index, { rules, grace }: { readonly rules: Rules; readonly grace: number }) {
    this.#index = index;
    this.#rules = rules;
    this.#grace = grace;
  }

  /** @returns the manifests and blobs that a dry run would have removed. */
  async collect(repository: RepositoryName, run: Run): Promise<ReadonlySet<Digest>> {
    const rules = this.#rules.for(repository);
    if (rules.readOnly) return NOTHING;
    const leaving = new Set<Digest>();
    await this.#collectTags(repository, rules, run);
    await this.#collectManifests(repository, rules, run, leaving);
    await this.#collectLinks(repository, rules, run, leaving);
    return run.options.dryRun === true ? leaving : NOTHING;
  }

  /** Their manifests are promised by that to whoever knew them by their tags, and stay for now. */
  async #collectTags(repository: RepositoryName, rules: RepositoryRules, run: Run): Promise<void> {
    if (rules.keepTags === "all") return;
    const tags = await Array.fromAsync(everyTag(this.#index, repository, run.pace));
    await inGroups(leavingTags(tags, rules, new Date()), AT_ONCE, async ({ tag, digest, why }) => {
      const requires: Requirement[] = [{ type: "tagAt", tag, digest }];
      if (!(await this.#remove(repository, { type: "tagDeleted", tag }, requires, run))) return;
      run.tally.tags += 1;
      run.options.report?.({ what: "tag", repository, tag, digest, why });
    });
  }

  async #collectManifests(
    repository: RepositoryName,
    rules: RepositoryRules,
    run: Run,
    leaving: Set<Digest>,
  ): Promise<void> {
    const options = { rules, grace: this.#grace };
    const manifests = await unneededManifests(this.#index, repository, options, run.pace);
    await inGroups(manifests, AT_ONCE, async ({ digest, subjectGoneAt, why }) => {
      const requires: Requirement[] = [
        { type: "manifestUnneeded", digest, subjectGoneAt },
        { type: "unpromised", digest },
      ];
      if (!(await this.#remove(repository, { type: "manifestDeleted", digest }, requires, run))) return;
      run.tally.manifests += 1;
      leaving.add(digest);
      run.options.report?.({ what: "manifest", repository, digest, why });
    });
  }

  async #collectLinks(
    repository: RepositoryName,
    { keepUnused }: RepositoryRules,
    run: Run,
    leaving: Set<Digest>,
  ): Promise<void> {
    const before = this.#before(keepUnused ?? this.#grace);
    const unused = unusedBlobs(this.#index, repository, { before, without: leaving }, run.pace);
    await inGroups(unused, AT_ONCE, async (digest) => {
      const requires: Requirement[] = [
        { type: "blobUnused", digest },
        { type: "unpromised", digest },
      ];
      if (!(await this.#remove(repository, { type: "blobUnlinked", digest }, requires, run))) return;
      run.tally.links += 1;
      leaving.add(digest);
      run.options.report?.({ what: "link", repository, digest, why: "no manifest here names it" });
    });
  }

  /** Entries that are older may go; `undefined` when none may. */
  #before(keep: number): Date | undefined {
    if (keep === Number.POSITIVE_INFINITY) return undefined;
    return new Date(Date.now() - Math.max(keep, this.#grace));
  }

  /** Whether it was removed, or would be. */
  async #remove(
    repository: RepositoryName,
    removal: Change,
    requires: readonly Requirement[],
    { options }: Run,
  ): Promise<boolean> {
    const transaction =
      options.dryRun === true
        ? { changes: [], requires: requires.filter(holdsBeforehand) }
        : { changes: [removal], requires };
    try {
      await this.#index.apply(repository, { who: WHO, ...transaction });
      return true;
    } catch (error) {
      if (isLayerdError(error, "PRECONDITION_FAILED") || isLayerdError(error, "BLOB_IN_USE")) return false;
      throw error;
    }
  }
}

/** In a dry run, what would have gone before and needs it is still there. */
function holdsBeforehand({ type }: Requirement): boolean {
  return type !== "manifestUnneeded" && type !== "blobUnused";
}
