import { formatTime } from "../../core/time.ts";
import type { Explanation, InRepository } from "../../create.ts";
import { formatSize } from "./format.ts";

/** What is known about why something is kept, as a few lines for people. */
export function describeExplanation(explanation: Explanation, now: Date): string {
  const { digest, size, repositories, trash } = explanation;
  const bytes = size ?? trash?.size;
  const stored = bytes === undefined ? [] : [formatSize(bytes)];
  const here = size !== undefined || trash !== undefined || repositories.some(has);
  return [
    [digest, ...stored, ...(here ? [] : ["not here"])].join("  "),
    ...repositories.flatMap((each) => describeRepository(each, now, explanation.promised)),
    ...describeRest(explanation),
  ].join("\n");
}

function describeRest({ size, repositories, promised, held, trash }: Explanation): string[] {
  const needed = repositories.some(has);
  return [
    ...(promised ? ["promised: somebody was told of it lately, and may rely on it"] : []),
    ...(held ? ["held by something that is being pushed right now"] : []),
    ...(size !== undefined && !needed && !held
      ? ["no repository has it: it leaves at the next collection"]
      : []),
    ...(size === undefined && needed ? ["its bytes are not stored: push it again to heal that"] : []),
    ...(trash === undefined ? [] : [`in the trash until ${formatTime(trash.until)}`]),
  ];
}

function has({ manifest, blob }: InRepository): boolean {
  return manifest !== undefined || blob !== undefined;
}

function describeRepository(found: InRepository, now: Date, promised: boolean): string[] {
  const { repository, manifest, blob, readOnly } = found;
  const kinds = [
    ...(manifest === undefined ? [] : [`manifest, ${manifest.mediaType}`]),
    ...(blob === undefined ? [] : [`blob, ${blob.mediaType}`]),
  ];
  const what = kinds.length === 0 ? "only named there" : kinds.join("; ");
  const subject = manifest?.subject;
  const lines = [
    ...some("tagged", describeTags(found)),
    ...some("listed by the index", found.indexes),
    ...some("named by the manifest", found.manifests),
    ...(subject === undefined ? [] : [describeSubject(subject)]),
    ...some("referred to by", found.referrers),
    ...(manifest?.untaggedAt === undefined
      ? []
      : [`it has had no tag since ${formatTime(manifest.untaggedAt)}`]),
    ...keeping("no tag, index or subject needs the manifest", manifest?.until, now, promised),
    ...keeping("no manifest needs the blob", blob?.until, now, promised),
    ...(readOnly ? ["the repository is read-only: nothing leaves it"] : []),
  ];
  return [`${repository}: ${what}`, ...lines.map((line) => `  ${line}`)];
}

function describeSubject({ digest, here, goneAt }: Subject): string {
  if (here) return `refers to ${digest}`;
  return `refers to ${digest}, which ${goneAt === undefined ? "is not here" : `was deleted on ${formatTime(goneAt)}`}`;
}

function describeTags({ tags, leavingTags }: InRepository): Listed {
  const items = tags.items.map((tag) => {
    const leaving = leavingTags.find((each) => each.tag === tag);
    return leaving === undefined ? tag : `${tag}, which is to leave: ${leaving.why}`;
  });
  return { items, total: tags.total };
}

type Subject = NonNullable<NonNullable<InRepository["manifest"]>["subject"]>;

interface Listed {
  readonly items: readonly string[];
  readonly total: number;
}

/** A line for each that is shown, and one for how many more there are. */
function some(relation: string, { items, total }: Listed): string[] {
  const more = total - items.length;
  return [...items.map((item) => `${relation} ${item}`), ...(more > 0 ? [`and ${more} more`] : [])];
}

function keeping(why: string, until: string | undefined, now: Date, promised: boolean): string[] {
  if (until === undefined) return [];
  if (until === "forever") return [`${why}: it is kept for ever all the same`];
  if (new Date(until) > now) return [`${why}: it is kept until ${formatTime(until)} at least`];
  return [
    promised ? `${why}: it leaves when it is promised no more` : `${why}: it leaves at the next collection`,
  ];
}
