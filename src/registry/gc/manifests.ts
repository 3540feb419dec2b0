import type { Digest } from "../../core/digest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { RepositoryRules } from "../../core/rules.ts";
import type { Index, ManifestEntry } from "../../index/port.ts";
import { keptUntil, whyUnneeded } from "./keeping.ts";
import type { Pace } from "./pace.ts";
import { everyManifest } from "./walk.ts";

interface Unneeded extends Pick<ManifestEntry, "digest" | "subjectGoneAt"> {
  readonly why: string;
}

export interface UnneededOptions {
  readonly rules: Pick<RepositoryRules, "keepUntagged">;
  /** Milliseconds for which whatever nobody needs is kept. */
  readonly grace: number;
}

/**
 * Manifests that may go: neither tagged, nor to be kept for now (`keptUntil`), nor promised, nor needed by one that
 * stays. An index needs what it lists, and a manifest what refers to it (its signatures). In an order in which each is
 * unneeded once those before it are gone: parents before children, subjects before referrers.
 */
export async function unneededManifests(
  index: Index,
  repository: RepositoryName,
  { rules, grace }: UnneededOptions,
  pace: Pace,
): Promise<Unneeded[]> {
  const keep = { untagged: rules.keepUntagged, grace };
  if (keep.untagged === Number.POSITIVE_INFINITY && !(await anyDangling(index, repository, pace))) return [];
  const now = Date.now();
  const family = new Map<Digest, Member>();
  for await (const manifest of everyManifest(index, repository, pace)) {
    const { digest, tags, manifests = [], subject, untaggedAt, subjectGoneAt } = manifest;
    const root = tags.length > 0 || keptUntil(manifest, keep) >= now || (await index.isPromised(digest));
    family.set(digest, {
      digest,
      root,
      children: manifests,
      subject,
      untaggedAt,
      subjectGoneAt,
      kept: false,
    });
  }
  await keepWhatRootsNeed(family, pace);
  const leaving = await inOrder(
    [...family.values()].filter(({ kept }) => !kept),
    pace,
  );
  return leaving.map((member) => ({
    digest: member.digest,
    subjectGoneAt: member.subjectGoneAt,
    why: whyUnneeded(member),
  }));
}

/** Whether something refers to what was deleted. Mostly nothing does, and then no more need be known. */
async function anyDangling(index: Index, repository: RepositoryName, pace: Pace): Promise<boolean> {
  for await (const { subjectGoneAt } of everyManifest(index, repository, pace)) {
    if (subjectGoneAt !== undefined) return true;
  }
  return false;
}

interface Member extends Pick<ManifestEntry, "digest" | "subject" | "untaggedAt" | "subjectGoneAt"> {
  readonly root: boolean;
  readonly children: readonly Digest[];
  kept: boolean;
}

async function keepWhatRootsNeed(family: ReadonlyMap<Digest, Member>, pace: Pace): Promise<void> {
  const referrers = new Map<Digest, Member[]>();
  for (const member of family.values()) {
    await pace.step();
    if (member.subject !== undefined) add(referrers, member.subject, member);
  }
  const waiting = [...family.values()].filter(({ root }) => root);
  for (let member = waiting.pop(); member !== undefined; member = waiting.pop()) {
    await pace.step();
    if (member.kept) continue;
    member.kept = true;
    for (const child of member.children) {
      const found = family.get(child);
      if (found !== undefined) waiting.push(found);
    }
    waiting.push(...(referrers.get(member.digest) ?? []));
  }
}

/** Digests are of content, so that nothing can need itself: there is always one that comes first. */
async function inOrder(members: readonly Member[], pace: Pace): Promise<Member[]> {
  const among = new Map(members.map((member) => [member.digest, member]));
  const needs = new Map<Member, number>(members.map((member) => [member, 0]));
  const freed = new Map<Member, Member[]>();
  const link = (first: Member | undefined, then: Member | undefined) => {
    if (first === undefined || then === undefined) return;
    needs.set(then, (needs.get(then) ?? 0) + 1);
    add(freed, first, then);
  };
  for (const member of members) {
    await pace.step();
    for (const child of new Set(member.children)) link(member, among.get(child));
    if (member.subject !== undefined) link(among.get(member.subject), member);
  }
  const ready = members.filter((member) => needs.get(member) === 0);
  for (const member of ready) {
    await pace.step();
    for (const next of freed.get(member) ?? []) {
      const left = (needs.get(next) ?? 0) - 1;
      needs.set(next, left);
      if (left === 0) ready.push(next);
    }
  }
  return ready;
}

function add<K>(lists: Map<K, Member[]>, key: K, member: Member): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [member]);
  else list.push(member);
}
