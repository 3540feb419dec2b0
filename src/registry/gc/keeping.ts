import { formatTime } from "../../core/time.ts";
import type { ManifestEntry } from "../../index/port.ts";

type Times = Pick<ManifestEntry, "createdAt" | "untaggedAt" | "subjectGoneAt">;

/**
 * Until when a manifest is kept that nothing needs, in milliseconds since 1970, maybe `Infinity`. One whose subject was
 * deleted follows it, whatever is said of others: a signature says nothing of what is not here.
 * @param keep milliseconds, each counted from when it began to apply.
 */
export function keptUntil(
  { createdAt, untaggedAt, subjectGoneAt }: Times,
  keep: { readonly untagged: number; readonly grace: number },
): number {
  if (subjectGoneAt === undefined) {
    return Date.parse(untaggedAt ?? createdAt) + Math.max(keep.untagged, keep.grace);
  }
  // A tag of its own has kept it beyond its subject.
  return Math.max(Date.parse(subjectGoneAt), Date.parse(untaggedAt ?? createdAt)) + keep.grace;
}

/** Why a manifest is not needed any more. */
export function whyUnneeded({ untaggedAt, subjectGoneAt }: Omit<Times, "createdAt">): string {
  if (subjectGoneAt !== undefined) return `what it refers to was deleted on ${formatTime(subjectGoneAt)}`;
  return untaggedAt === undefined ? "it has no tag" : `it has had no tag since ${formatTime(untaggedAt)}`;
}
