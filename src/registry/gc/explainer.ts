import type { BlobStore } from "../../blobs/port.ts";
import type { Holds } from "../../cluster/port.ts";
import type { Digest } from "../../core/digest.ts";
import type { RepositoryName, Tag } from "../../core/name.ts";
import type { RepositoryRules, Rules } from "../../core/rules.ts";
import type { Index, ManifestEntry, Some } from "../../index/port.ts";
import { keptUntil } from "./keeping.ts";
import { Pace } from "./pace.ts";
import { leavingTags } from "./retention.ts";
import { everyRepository, everyTag } from "./walk.ts";

/** Where something is needed, or until when it is kept although it is not. Times are in ISO 8601. */
export interface Explanation {
  readonly digest: Digest;
  /** Bytes. Absent when they are not stored. */
  readonly size?: number;
  /** Those that have it, and those in which something names it. */
  readonly repositories: readonly InRepository[];
  /** Whether a client has been told that it is here, and may rely on it. */
  readonly promised: boolean;
  /** Whether something that is being pushed right now holds it. */
  readonly held: boolean;
  readonly trash?: { readonly size: number; readonly discardedAt: string; readonly until: string };
}

export interface InRepository {
  readonly repository: RepositoryName;
  readonly readOnly: boolean;
  /** What it is here, which may be both. */
  readonly manifest?: KeptManifest;
  readonly blob?: Kept;
  /** That point at it. */
  readonly tags: Some<Tag>;
  /** Those of them that the rules let go, and why. */
  readonly leavingTags: readonly { readonly tag: Tag; readonly why: string }[];
  /** Manifests of which it is the config or a layer. */
  readonly manifests: Some<Digest>;
  /** That list it. */
  readonly indexes: Some<Digest>;
  /** Manifests whose subject it is. */
  readonly referrers: Some<Digest>;
}

interface KeptManifest extends Kept {
  /** When it lost its last tag; absent while it has one, and when it never had. */
  readonly untaggedAt?: string;
  /** What it refers to, and when that was deleted. */
  readonly subject?: { readonly digest: Digest; readonly here: boolean; readonly goneAt?: string };
}

interface Kept {
  readonly mediaType: string;
  readonly createdAt: string;
  /** Absent while something here needs it; then it stays at least until that time. */
  readonly until?: string | "forever";
}

export interface ExplainerOptions {
  readonly rules: Rules;
  /** Milliseconds. */
  readonly grace: number;
  /** Milliseconds. */
  readonly trashTtl: number;
}

// Of each kind: whoever wants all of them lists the repository.
const SHOWN = 10;

/** Says why something is kept: what garbage collection goes by, asked about one digest. */
export class Explainer {
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #holds: Holds;
  readonly #options: ExplainerOptions;
  readonly #startedAt = Date.now();

  constructor(stores: { blobs: BlobStore; index: Index; holds: Holds }, options: ExplainerOptions) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#holds = stores.holds;
    this.#options = options;
  }

  /** Says it of many digests in one repository: which tags its rules let go is found out only once. */
  async within(
    repository: RepositoryName,
    options: { readonly nothingPromised?: boolean } = {},
  ): Promise<(digest: Digest) => Promise<InRepository | undefined>> {
    const rules = this.#options.rules.for(repository);
    const pace = new Pace(undefined);
    const leaving = await this.#leavingOf(repository, { rules, pace });
    const waitsUntil = this.#waitsUntil(options);
    return (digest) => this.#lookInto(repository, digest, { waitsUntil, pace, leaving });
  }

  /** @param options.nothingPromised as for a collection. */
  async explain(digest: Digest, options: { readonly nothingPromised?: boolean } = {}): Promise<Explanation> {
    const waitsUntil = this.#waitsUntil(options);
    const pace = new Pace(undefined);
    const repositories: InRepository[] = [];
    for await (const repository of everyRepository(this.#index)) {
      await pace.step();
      const found = await this.#lookInto(repository, digest, { waitsUntil, pace });
      if (found !== undefined) repositories.push(found);
    }
    const size = (await this.#blobs.stat(digest))?.size;
    const trash = await this.#inTrash(digest, pace);
    return {
      digest,
      ...(size === undefined ? {} : { size }),
      repositories,
      promised: await this.#index.isPromised(digest),
      held: this.#holds.has(digest),
      ...(trash === undefined ? {} : { trash }),
    };
  }

  /** `undefined` when the repository neither has nor names it. */
  async #lookInto(
    repository: RepositoryName,
    digest: Digest,
    {
      waitsUntil,
      pace,
      leaving,
    }: { readonly waitsUntil: number; readonly pace: Pace; readonly leaving?: Leaving },
  ): Promise<InRepository | undefined> {
    const rules = this.#options.rules.for(repository);
    const named = await this.#namedIn(repository, digest);
    const manifest = await this.#asManifest(repository, digest, { named, rules, waitsUntil });
    const blob = await this.#asBlob(repository, digest, { named, rules, waitsUntil });
    const nowhere = Object.values(named).every(({ total }) => total === 0);
    if (manifest === undefined && blob === undefined && nowhere) return undefined;
    return {
      repository,
      readOnly: rules.readOnly,
      ...(manifest === undefined ? {} : { manifest }),
      ...(blob === undefined ? {} : { blob }),
      ...named,
      leavingTags: await this.#leaving(repository, named.tags.items, { rules, pace, leaving }),
    };
  }

  async #namedIn(repository: RepositoryName, digest: Digest): Promise<Named> {
    const tags = await this.#index.tagsOf(repository, digest);
    return {
      tags: { items: tags.slice(0, SHOWN), total: tags.length },
      manifests: await this.#index.namedBy(repository, digest, "blob", SHOWN),
      indexes: await this.#index.namedBy(repository, digest, "manifest", SHOWN),
      referrers: await this.#index.namedBy(repository, digest, "subject", SHOWN),
    };
  }

  async #leaving(
    repository: RepositoryName,
    tags: readonly Tag[],
    {
      leaving,
      ...about
    }: {
      readonly rules: RepositoryRules;
      readonly pace: Pace;
      readonly leaving: Leaving | undefined;
    },
  ): Promise<InRepository["leavingTags"]> {
    if (tags.length === 0) return [];
    const all = leaving ?? (await this.#leavingOf(repository, about));
    return tags.flatMap((tag) => {
      const why = all.get(tag);
      return why === undefined ? [] : { tag, why };
    });
  }

  async #leavingOf(
    repository: RepositoryName,
    { rules, pace }: { readonly rules: RepositoryRules; readonly pace: Pace },
  ): Promise<Leaving> {
    if (rules.keepTags === "all") return new Map();
    const all = await Array.fromAsync(everyTag(this.#index, repository, pace));
    return new Map(leavingTags(all, rules, new Date()).map(({ tag, why }) => [tag, why]));
  }

  #waitsUntil({ nothingPromised }: { readonly nothingPromised?: boolean }): number {
    const known = nothingPromised === true || this.#index.remembersPromises;
    return known ? 0 : this.#startedAt + this.#options.grace;
  }

  async #asManifest(
    repository: RepositoryName,
    digest: Digest,
    { named, rules, waitsUntil }: Judged,
  ): Promise<InRepository["manifest"]> {
    const entry = await this.#index.manifest(repository, digest);
    if (entry === undefined) return undefined;
    const { mediaType, createdAt, untaggedAt } = entry;
    const subject = await this.#subjectOf(repository, entry);
    const needed = subject?.here === true || named.tags.total > 0 || named.indexes.total > 0;
    const until = keptUntil(entry, { untagged: rules.keepUntagged, grace: this.#options.grace });
    return {
      mediaType,
      createdAt,
      ...(untaggedAt === undefined ? {} : { untaggedAt }),
      ...(subject === undefined ? {} : { subject }),
      ...(needed ? {} : { until: atLeast(until, rules, waitsUntil) }),
    };
  }

  async #subjectOf(
    repository: RepositoryName,
    { subject: digest, subjectGoneAt: goneAt }: ManifestEntry,
  ): Promise<KeptManifest["subject"]> {
    if (digest === undefined) return undefined;
    const here = (await this.#index.manifest(repository, digest)) !== undefined;
    return { digest, here, ...(goneAt === undefined ? {} : { goneAt }) };
  }

  async #asBlob(
    repository: RepositoryName,
    digest: Digest,
    { named, rules, waitsUntil }: Judged,
  ): Promise<InRepository["blob"]> {
    const entry = await this.#index.blob(repository, digest);
    if (entry === undefined) return undefined;
    const { mediaType, createdAt } = entry;
    const { grace } = this.#options;
    const until = Date.parse(createdAt) + Math.max(rules.keepUnused ?? grace, grace);
    const needed = named.manifests.total > 0;
    return { mediaType, createdAt, ...(needed ? {} : { until: atLeast(until, rules, waitsUntil) }) };
  }

  async #inTrash(digest: Digest, pace: Pace): Promise<Explanation["trash"]> {
    for await (const discarded of this.#blobs.discarded()) {
      await pace.step();
      if (discarded.digest !== digest) continue;
      const { size, discardedAt } = discarded;
      const until = new Date(discardedAt.getTime() + this.#options.trashTtl);
      return { size, discardedAt: discardedAt.toISOString(), until: until.toISOString() };
    }
    return undefined;
  }
}

/** Times in milliseconds since 1970. */
function atLeast(until: number, { readOnly }: RepositoryRules, waitsUntil: number): string {
  if (readOnly || until === Number.POSITIVE_INFINITY) return "forever";
  return new Date(Math.max(until, waitsUntil)).toISOString();
}

/** Tags that the rules let go, and why. */
type Leaving = ReadonlyMap<Tag, string>;

type Named = Pick<InRepository, "tags" | "manifests" | "indexes" | "referrers">;

interface Judged {
  readonly named: Named;
  readonly rules: RepositoryRules;
  /** Milliseconds since 1970: until then nothing leaves a repository. */
  readonly waitsUntil: number;
}
