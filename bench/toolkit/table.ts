import { type Comparison, ratio, summarize, type Target, verdict } from "./statistics.ts";

const HEADINGS = ["What", "Unit", "layerd", "Peer", "Ratio", "Target", "Verdict"] as const;

/** A GitHub-flavoured table, padded so that it reads well in a terminal too. */
export function markdownTable(comparisons: readonly Comparison[]): string {
  const rows = [HEADINGS, ...comparisons.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(HEADINGS), rule, ...rows.slice(1).map(line)].join("\n");
}

function cells(comparison: Comparison): string[] {
  const { what, unit, layerd, peer, summary, target } = comparison;
  const factor = ratio(comparison);
  const judgement = verdict(comparison);
  return [
    what,
    unit,
    withSpread(layerd, summary),
    peer === undefined ? "–" : `${peer.name}: ${withSpread(peer.values, summary)}`,
    factor === undefined ? "–" : factor.toFixed(2),
    target === undefined ? "–" : describeTarget(target),
    judgement === "no target" ? "–" : judgement,
  ];
}

/** The figure, and in brackets the lowest and the highest run: without them nobody can judge a ratio. */
function withSpread(values: readonly number[], summary: Comparison["summary"]): string {
  const figure = formatNumber(summarize(values, summary));
  if (values.length === 1) return figure;
  return `${figure} (${formatNumber(Math.min(...values))}–${formatNumber(Math.max(...values))})`;
}

export function describeTarget({ of, atLeast, atMost }: Target): string {
  const limits = [
    ...(atLeast === undefined ? [] : [`≥ ${formatNumber(atLeast)}`]),
    ...(atMost === undefined ? [] : [`≤ ${formatNumber(atMost)}`]),
  ];
  return `${limits.join(", ")}${of === "ratio" ? " ×" : ""}`;
}

/** Three significant digits or whole numbers, with a comma between thousands. */
export function formatNumber(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

/** A whole number of GiB, MiB or KiB. */
export function formatSize(bytes: number): string {
  const [unit = 1, name = "B"] = SIZES.find(([size]) => bytes % size === 0) ?? [];
  return `${bytes / unit} ${name}`;
}

const SIZES = [
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
] as const;
