import type { Digest } from "../../core/digest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Index } from "../../index/port.ts";
import type { Pace } from "./pace.ts";
import { everyManifest } from "./walk.ts";

interface Unneeded {
  readonly digest: Digest;
  readonly why: string;
}

/**
 * Manifests that may go: neither tagged, nor younger than `before`, nor promised, nor needed by one that stays. An
 * index needs what it lists, and a manifest what refers to it (its signatures). In an order in which each is unneeded
 * once those before it are gone: parents before children, subjects before referrers.
 */
export async function unneededManifests(
  index: Index,
  repository: RepositoryName,
  before: Date | undefined,
  pace: Pace,
): Promise<Unneeded[]> {
  if (before === undefined) return [];
  const family = new Map<Digest, Member>();
  for await (const { digest, tags, createdAt, manifests = [], subject } of everyManifest(
    index,
    repository,
    pace,
  )) {
    const root = tags.length > 0 || new Date(createdAt) >= before || (await index.isPromised(digest));
    family.set(digest, { digest, root, children: manifests, subject, kept: false });
  }
  await keepWhatRootsNeed(family, pace);
  const leaving = await inOrder(
    [...family.values()].filter(({ kept }) => !kept),
    pace,
  );
  return leaving.map(({ digest, subject }) => ({
    digest,
    why: subject === undefined || family.has(subject) ? "it has no tag" : "what it refers to is gone",
  }));
}

interface Member {
  readonly digest: Digest;
  readonly root: boolean;
  readonly children: readonly Digest[];
  readonly subject: Digest | undefined;
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
