import type { Digest } from "../../core/digest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { BlobEntry, Index, ManifestEntry } from "../../index/port.ts";
import type { Explainer, InRepository } from "./explainer.ts";
import type { Pace } from "./pace.ts";
import { everyBlob, everyManifest } from "./walk.ts";

/** What a collection leaves where it is, and why. */
export interface Stay {
  readonly what: "stays";
  /** What it is in the repository; `bytes` are stored and nowhere linked yet. */
  readonly as: "manifest" | "blob" | "bytes" | "trash" | "quarantine";
  readonly repository?: RepositoryName;
  readonly digest: Digest;
  readonly size: number;
  readonly why: string;
}

/** All that stays in a repository, in one pass over it. @param leaving what does not. */
export async function* staysIn(
  { index, explainer }: { readonly index: Index; readonly explainer: Explainer },
  repository: RepositoryName,
  leaving: ReadonlySet<Digest>,
  { pace, nothingPromised }: { readonly pace: Pace; readonly nothingPromised: boolean },
): AsyncGenerator<Stay> {
  const explain = await explainer.within(repository, { nothingPromised });
  const stay = async (as: "manifest" | "blob", { digest, size }: ManifestEntry | BlobEntry) => {
    const found = await explain(digest);
    if (found?.[as] === undefined) return undefined;
    const why = reasonOf(as, found, leaving) ?? "somebody was told of it lately, and may rely on it";
    return { what: "stays", as, repository, digest, size, why } as const;
  };
  for await (const entry of everyManifest(index, repository, pace)) {
    const stays = leaving.has(entry.digest) ? undefined : await stay("manifest", entry);
    if (stays !== undefined) yield stays;
  }
  for await (const entry of everyBlob(index, repository, pace)) {
    const stays = leaving.has(entry.digest) ? undefined : await stay("blob", entry);
    if (stays !== undefined) yield stays;
  }
}

/** `undefined` when nothing needs it, and its time is over: it is promised. */
function reasonOf(as: "manifest" | "blob", found: InRepository, leaving: ReadonlySet<Digest>) {
  const until = found[as]?.until;
  const needs = as === "manifest" ? needsOfManifest(found, leaving) : needsOfBlob(found, leaving);
  if (needs !== undefined) return needs;
  if (until === "forever") return found.readOnly ? "the repository is read-only" : "it is kept for ever";
  if (until !== undefined && Date.parse(until) > Date.now()) return `it is kept until ${until} at least`;
  return undefined;
}

function needsOfManifest(found: InRepository, leaving: ReadonlySet<Digest>): string | undefined {
  const { tags, leavingTags, indexes, manifest } = found;
  const [staying] = tags.items.filter((tag) => !leavingTags.some((each) => each.tag === tag));
  if (staying !== undefined) return more(`it is tagged ${staying}`, tags.total);
  const [index] = indexes.items.filter((digest) => !leaving.has(digest));
  if (index !== undefined) return more(`the index ${index} lists it`, indexes.total);
  if (manifest?.subject?.here === true) return `it refers to ${manifest.subject.digest}`;
  const [tag] = leavingTags;
  return tag && `until now it was tagged ${tag.tag}, which is to leave: ${tag.why}`;
}

function needsOfBlob({ manifests }: InRepository, leaving: ReadonlySet<Digest>): string | undefined {
  const staying = manifests.items.find((digest) => !leaving.has(digest)) ?? manifests.items[0];
  return staying && more(`the manifest ${staying} names it`, manifests.total);
}

function more(reason: string, total: number): string {
  return total > 1 ? `${reason}, and ${total - 1} more` : reason;
}
