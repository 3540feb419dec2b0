import type { BlobStore, Inspected } from "../../blobs/port.ts";
import type { Digest } from "../../core/digest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Rules } from "../../core/rules.ts";
import type { Index, Remains } from "../../index/port.ts";
import { Pace } from "../gc/pace.ts";
import { everyManifest, everyRepository, everyTag } from "../gc/walk.ts";
import { Rate } from "../scrub/rate.ts";
import { damageOf } from "../scrub/read.ts";
import type { Checker } from "./checker.ts";
import type { Fault } from "./fault.ts";
import { Finding, type FindOptions } from "./finding.ts";
import type { Recovery } from "./recovery.ts";
import type { Repair, Repaired, RepairOptions } from "./repair.ts";

// Of what needs lost bytes: whoever wants all of them asks `layerd why`.
const SHOWN = 10;

interface Repairing {
  readonly options: RepairOptions;
  readonly tally: { -readonly [K in keyof Repaired]: number };
  readonly pace: Pace;
  readonly say: (repair: Repair) => void;
  /** Several repositories may have the same. */
  readonly restored: Set<Digest>;
}

/**
 * Repairs what can be repaired without guessing, and says what cannot: nothing that an index has is ever removed. For
 * when nobody else uses the store.
 */
export class Repairer {
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #rules: Rules;
  readonly #checker: Checker;
  readonly #recovery: Recovery;
  readonly #onRepaired: ((repair: Repair) => void) | undefined;

  /** @param options.onRepaired told of everything that has changed. */
  constructor(
    stores: { readonly blobs: BlobStore; readonly index: Index },
    parts: { readonly checker: Checker; readonly recovery: Recovery },
    options: { readonly rules: Rules; readonly onRepaired?: ((repair: Repair) => void) | undefined },
  ) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#rules = options.rules;
    this.#checker = parts.checker;
    this.#recovery = parts.recovery;
    this.#onRepaired = options.onRepaired;
  }

  async repair(options: RepairOptions): Promise<Repaired> {
    const tally = { indexes: 0, manifests: 0, blobs: 0, restored: 0, lost: 0 };
    const say = (repair: Repair) => {
      options.report?.(repair);
      if (options.dryRun !== true) this.#onRepaired?.(repair);
    };
    const repairing = { options, tally, pace: new Pace(options.signal), say, restored: new Set<Digest>() };
    const findings: Finding[] = [];
    for await (const repository of everyRepository(this.#index)) {
      const remains = await this.#index.remains(repository);
      if (remains !== undefined) findings.push(await this.#repairIndex(repository, remains, repairing));
    }
    if (findings.length > 0) await this.#findRest(findings, repairing);
    await this.#repairBytes(repairing);
    return tally;
  }

  async #repairIndex(repository: RepositoryName, remains: Remains, repairing: Repairing): Promise<Finding> {
    const { options, tally, say } = repairing;
    const kept = options.dryRun === true ? [] : await this.#index.repair(repository);
    tally.indexes += 1;
    say({ what: "index", repository, damaged: remains.damaged, kept });
    // A sparse repository may name what others have and it has never had.
    const { sparse } = this.#rules.for(repository);
    const finding = new Finding(this.#index, repository, found(repository, repairing), ({ blobs }) =>
      sparse ? [] : blobs,
    );
    for (const digest of remains.manifests) await this.#recovery.bring(finding, digest);
    await this.#bringTagged(finding, repairing.pace);
    if (!sparse) await this.#completeManifests(finding, repairing.pace);
    for (const digest of remains.blobs) await this.#recovery.link(finding, digest);
    await this.#tellTags(repository, remains, repairing);
    add(tally, finding);
    return finding;
  }

  /** A tag points at what was here when it was set. */
  async #bringTagged(finding: Finding, pace: Pace): Promise<void> {
    for await (const { digest } of everyTag(this.#index, finding.repository, pace)) {
      await this.#recovery.bring(finding, digest);
    }
  }

  /** What manifests name was here when they were pushed. */
  async #completeManifests(finding: Finding, pace: Pace): Promise<void> {
    for await (const { digest, blobs, manifests = [] } of everyManifest(
      this.#index,
      finding.repository,
      pace,
    )) {
      for (const child of manifests) await this.#recovery.bring(finding, child);
      const here = await Promise.all(blobs.map((blob) => finding.hasBlob(blob)));
      if (here.includes(false)) await this.#recovery.relink(finding, digest);
    }
  }

  async #tellTags(repository: RepositoryName, { tags }: Remains, { say }: Repairing): Promise<void> {
    for (const { tag, digest } of tags) {
      if ((await this.#index.tag(repository, tag))?.digest !== digest) {
        say({ what: "tag-lost", repository, tag, digest });
      }
    }
  }

  /** Of which repository they were, nobody knows; that none needs them is not known either. */
  async #findRest(findings: readonly Finding[], repairing: Repairing): Promise<void> {
    const { into } = repairing.options;
    const elsewhere = (digest: Digest) => findings.some((finding) => finding.wouldHave(digest));
    const tally = await this.#recovery.recover(into, found(into, repairing), elsewhere);
    add(repairing.tally, { tally });
  }

  async #repairBytes(repairing: Repairing): Promise<void> {
    const faults: Fault[] = [];
    const { signal } = repairing.options;
    await this.#checker.check({ report: (fault) => faults.push(fault), ...(signal && { signal }) });
    for (const { what, repository, digest } of faults) {
      const [as, problem] = what.split("-");
      if (digest === undefined || (problem !== "missing" && problem !== "size")) continue;
      if (as === "manifest" || as === "blob") await this.#restore(repository, digest, as, repairing);
    }
  }

  async #restore(
    repository: RepositoryName,
    digest: Digest,
    as: "manifest" | "blob",
    repairing: Repairing,
  ): Promise<void> {
    const entry = await this.#index[as](repository, digest);
    if (entry === undefined || repairing.restored.has(digest)) return;
    const about = { repository, digest, size: entry.size, as };
    const dryRun = repairing.options.dryRun === true;
    const back = dryRun ? await this.#blobs.peek(digest, 0) : await this.#fromTrash(digest, repairing);
    if (back === true || back instanceof Buffer) {
      repairing.restored.add(digest);
      repairing.tally.restored += 1;
      repairing.say({ what: "restored", ...about });
      return;
    }
    if (back !== undefined) repairing.say({ what: "quarantined", ...about, ...back });
    repairing.tally.lost += 1;
    repairing.say({ what: "bytes-lost", ...about, ...(await this.#namedBy(repository, digest)) });
  }

  /** `true` when it is back; where it is now, when it was damaged; `undefined` when it was not in the trash. */
  async #fromTrash(
    digest: Digest,
    { pace, options }: Repairing,
  ): Promise<true | { readonly file?: string } | undefined> {
    if (!(await this.#blobs.restore(digest))) return undefined;
    const inspected = (await this.#blobs.inspect(digest)) as Inspected;
    const { signal = new AbortController().signal } = options;
    const reading = { pace, rate: new Rate(Number.POSITIVE_INFINITY, signal), signal };
    try {
      const damage = await damageOf(inspected.handle, reading);
      if (damage === undefined) return true;
      // The disk may give them again: they stay.
      if (damage.what === "unreadable") return undefined;
      return (await inspected.quarantine()) || {};
    } finally {
      await inspected.handle.close();
    }
  }

  async #namedBy(repository: RepositoryName, digest: Digest) {
    const tags = await this.#index.tagsOf(repository, digest);
    const asBlob = await this.#index.namedBy(repository, digest, "blob", SHOWN);
    const asManifest = await this.#index.namedBy(repository, digest, "manifest", SHOWN);
    return {
      tags: { items: tags.slice(0, SHOWN), total: tags.length },
      manifests: {
        items: [...asBlob.items, ...asManifest.items].slice(0, SHOWN),
        total: asBlob.total + asManifest.total,
      },
    };
  }
}

function found(repository: RepositoryName, { options, say }: Repairing): FindOptions {
  return { ...options, report: (each) => say({ what: "found", repository, ...each }) };
}

function add(sum: { manifests: number; blobs: number }, { tally }: Pick<Finding, "tally">): void {
  sum.manifests += tally.manifests;
  sum.blobs += tally.blobs;
}
