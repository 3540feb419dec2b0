import { anyOf, textGlob } from "../../core/glob.ts";
import type { Tag } from "../../core/name.ts";
import type { KeepTags, RepositoryRules } from "../../core/rules.ts";
import type { TagEntry } from "../../index/port.ts";

export interface LeavingTag extends TagEntry {
  readonly why: string;
}

/** One thing that keeps tags: which it is true of, and what is said of a tag that it is not true of. */
interface Keeper {
  keeps(entry: TagEntry): boolean;
  readonly otherwise: string;
}

/** The tags that no rule keeps, and why. `tags` are all of a repository. */
export function leavingTags(
  tags: readonly TagEntry[],
  { keepTags, isImmutable, readOnly }: Pick<RepositoryRules, "keepTags" | "isImmutable" | "readOnly">,
  now: Date,
): LeavingTag[] {
  if (keepTags === "all" || readOnly) return [];
  const keepers = keepersOf(keepTags, tags, now);
  const why = keepers.map(({ otherwise }) => otherwise).join(", ");
  return tags
    .filter((entry) => !isImmutable(entry.tag) && !keepers.some((keeper) => keeper.keeps(entry)))
    .map((entry) => ({ ...entry, why }));
}

function keepersOf(
  { newest, youngerThan, matching }: KeepTags,
  tags: readonly TagEntry[],
  now: Date,
): Keeper[] {
  return [
    ...(newest === undefined ? [] : [amongNewest(newest, tags)]),
    ...(youngerThan === undefined ? [] : [younger(youngerThan, now)]),
    ...(matching === undefined ? [] : [matched(matching)]),
  ];
}

/** Of two that were set at the same time, the one whose name comes first is taken for the newer. */
function amongNewest(count: number, tags: readonly TagEntry[]): Keeper {
  const newestFirst = tags.toSorted((a, b) => compare(b.updatedAt, a.updatedAt) || compare(a.tag, b.tag));
  const newest = new Set<Tag>(newestFirst.slice(0, count).map(({ tag }) => tag));
  return {
    keeps: ({ tag }) => newest.has(tag),
    otherwise: count === 1 ? "not the newest" : `not among the newest ${count}`,
  };
}

function younger(period: number, now: Date): Keeper {
  const since = now.getTime() - period;
  return {
    keeps: ({ updatedAt }) => Date.parse(updatedAt) > since,
    otherwise: `older than ${formatPeriod(period)}`,
  };
}

function matched(patterns: readonly string[]): Keeper {
  const fits = anyOf(patterns, textGlob);
  return { keeps: ({ tag }) => fits(tag), otherwise: `not matched by ${patterns.join(", ")}` };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

// Milliseconds.
const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 } as const;

/** As somebody would write it in a rule: `30d`. */
function formatPeriod(milliseconds: number): string {
  for (const [unit, length] of Object.entries(UNITS)) {
    if (milliseconds % length === 0) return `${milliseconds / length}${unit}`;
  }
  return `${milliseconds}ms`;
}
