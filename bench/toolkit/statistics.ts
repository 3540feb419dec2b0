/** Measurements of one program, in the order they were taken. */
export interface Figures {
  readonly name: string;
  readonly values: readonly number[];
}

/** What a measurement must reach: the figure itself, or its ratio to the peer's. Limits are inclusive. */
export interface Target {
  readonly of: "value" | "ratio";
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** One line of a result table: layerd, what it is held against, and what is asked of it. */
export interface Comparison {
  readonly what: string;
  readonly unit: string;
  readonly layerd: readonly number[];
  readonly peer?: Figures;
  /** The figure that stands for the runs. Default: median; `highest` for limits that no run may pass. */
  readonly summary?: "median" | "highest";
  readonly target?: Target;
}

export type Verdict = "reached" | "missed" | "no target";

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError("the median of nothing");
  return (lower + upper) / 2;
}

/** The one figure that stands for all runs of a side. */
export function summarize(values: readonly number[], summary: Comparison["summary"] = "median"): number {
  return summary === "median" ? median(values) : Math.max(...values);
}

/** layerd's figure divided by the peer's; `undefined` without a peer. */
export function ratio(comparison: Comparison): number | undefined {
  const { layerd, peer, summary } = comparison;
  return peer && summarize(layerd, summary) / summarize(peer.values, summary);
}

/** Whether the target is reached. A ratio without a peer to compare with has no verdict. */
export function verdict(comparison: Comparison): Verdict {
  const { target, layerd, summary } = comparison;
  const figure = target?.of === "ratio" ? ratio(comparison) : summarize(layerd, summary);
  if (target === undefined || figure === undefined) return "no target";
  const { atLeast = -Infinity, atMost = Infinity } = target;
  return figure >= atLeast && figure <= atMost ? "reached" : "missed";
}
