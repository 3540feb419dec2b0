import { styleText } from "node:util";
import type { Repair, Repaired } from "../../create.ts";
import { formatCount } from "./format.ts";

const dim = (text: string) => styleText("dim", text, { stream: process.stdout });

/** What was repaired, or cannot be, for people; in a dry run, what would be. */
export function describeRepair(repair: Repair, dryRun: boolean): string {
  const { repository } = repair;
  switch (repair.what) {
    case "index": {
      const damaged = repair.damaged.map(({ file, line }) => `\n  ${dim(`${file}:${line}`)}`).join("");
      const kept = repair.kept.map((file) => `\n  what was there is kept as ${dim(file)}`).join("");
      const done = dryRun ? "would be its index" : "is its index now";
      const lines = formatCount(repair.damaged.length, "line");
      return `${repository}  ${lines} damaged or missing; what could be read ${done}${damaged}${kept}`;
    }
    case "found": {
      const { digest, mediaType, missing } = repair;
      const gone = missing.length === 0 ? "" : `\n  ${dim(`not stored any more: ${missing.join(", ")}`)}`;
      return `${repository}  ${digest}  ${mediaType}\n  ${dryRun ? "would be found again" : "found again"}${gone}`;
    }
    case "tag-lost":
      return `${repository}  ${repair.tag}  ${repair.digest}\n  a damaged line has set this tag; set it anew if its name is right`;
    case "restored":
      return `${repository}  ${repair.digest}\n  the bytes of this ${repair.as} ${dryRun ? "would be" : "are"} back from the trash`;
    case "quarantined":
      return `${repository}  ${repair.digest}\n  the bytes that the trash had of this ${repair.as} are others: ${repair.file ?? "they are gone"}`;
    case "bytes-lost":
      return `${repository}  ${repair.digest}\n  the bytes of this ${repair.as} are lost: push it again${describeNeed(repair)}`;
    default:
      return repair satisfies never;
  }
}

function describeNeed({ tags, manifests }: Extract<Repair, { readonly what: "bytes-lost" }>): string {
  const needs = [
    ...tags.items.map((tag) => `tagged ${tag}`),
    ...manifests.items.map((digest) => `named by the manifest ${digest}`),
  ];
  const more = tags.total + manifests.total - needs.length;
  const rest = more > 0 ? [`and ${more} more`] : [];
  return [...needs, ...rest].map((line) => `\n  ${dim(line)}`).join("");
}

export function describeRepaired(repaired: Repaired, dryRun: boolean): string {
  const { indexes, manifests, blobs, restored, lost } = repaired;
  const would = dryRun ? "would be " : "";
  return [
    `${formatCount(indexes, "index", "indexes")} ${would}repaired`,
    `${formatCount(manifests, "manifest")} and ${formatCount(blobs, "blob")} ${would}found again`,
    `${formatCount(restored, "blob")} ${would}restored from the trash`,
    `the bytes of ${lost} lost`,
  ].join(", ");
}
