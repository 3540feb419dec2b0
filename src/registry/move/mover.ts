import type { BlobStore } from "../../blobs/port.ts";
import type { Holds } from "../../cluster/port.ts";
import type { Digest } from "../../core/digest.ts";
import type { Rules } from "../../core/rules.ts";
import type { Index } from "../../index/port.ts";
import { DigestSet } from "../gc/digest-set.ts";
import { type Progress, ProgressMeter } from "../scrub/progress.ts";
import { type Counts, type Moved, type MovedRepository, type MoveFault, noCounts } from "./moved.ts";
import { repositoriesOf } from "./pages.ts";
import { RepositoryCopy } from "./repository-copy.ts";
import type { Source } from "./source.ts";
import { survey } from "./survey.ts";
import { Transfer } from "./transfer.ts";

export interface MoveOptions {
  /** Tells what would come into the target, and changes nothing. No blob is read. */
  readonly dryRun?: boolean;
  /** Whether tags that the target has at other digests are moved; immutable ones never are. */
  readonly overwriteTags?: boolean;
  /** Told of each repository when it is done. */
  readonly report?: (moved: MovedRepository) => void;
  readonly fault?: (fault: MoveFault) => void;
  /** Of the bytes that the target lacks. */
  readonly progress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal;
}

/** Copies what another store has into this one, all of it, and deletes nothing. */
export class Mover {
  readonly #target: { readonly blobs: BlobStore; readonly index: Index; readonly holds: Holds };
  readonly #rules: Rules;

  /** @param rules of which only those about immutable tags count: what is copied has been taken by the source's. */
  constructor(target: { blobs: BlobStore; index: Index; holds: Holds }, rules: Rules) {
    this.#target = target;
    this.#rules = rules;
  }

  /**
   * One pass. What the target has already is passed over, so that one which was broken off goes on when it is begun
   * again; what the source gets meanwhile comes with the next pass.
   * @throws what is wrong with the target, or with a source that has gone
   */
  async copy(source: Source, options: MoveOptions = {}): Promise<Moved> {
    const { dryRun = false, overwriteTags = false, progress, report, signal } = options;
    const { total, mark } = await this.#measure(source, signal);
    const meter = progress && new ProgressMeter(total, progress);
    let faults = 0;
    const pass = {
      ...{ source, target: this.#target, rules: this.#rules, dryRun, overwriteTags, signal },
      transfer: new Transfer(source, this.#target.blobs, { onPiece: (bytes) => meter?.add(bytes), signal }),
      fault: (fault: MoveFault) => {
        faults += 1;
        options.fault?.(fault);
      },
      wrong: new Map(),
      promised: new DigestSet(),
    };
    const sum: Counts = noCounts();
    let repositories = 0;
    for await (const repository of repositoriesOf(source)) {
      const moved = await RepositoryCopy.run(pass, repository);
      for (const what of Object.keys(sum) as (keyof Counts)[]) sum[what] += moved[what];
      if (moved.created) repositories += 1;
      report?.(moved);
    }
    const changed = dryRun ? {} : { sourceChanged: (await survey(source, undefined, signal)) !== mark };
    return { repositories, ...sum, faults, ...changed };
  }

  /** How many bytes the target lacks, and what the source is like. */
  async #measure(
    source: Source,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly total: number; readonly mark: string }> {
    const seen = new DigestSet();
    for await (const digest of this.#target.blobs.list()) seen.add(digest);
    let total = 0;
    const count = ({ digest, size }: { digest: Digest; size: number }) => {
      if (seen.add(digest)) total += size;
    };
    const mark = await survey(source, count, signal);
    return { total, mark };
  }
}
