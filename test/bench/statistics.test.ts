import test from "ava";
import { type Comparison, median, ratio, summarize, verdict } from "../../bench/toolkit/statistics.ts";

const comparison = (parts: Partial<Comparison>): Comparison => ({
  what: "something",
  unit: "MiB/s",
  layerd: [90, 100, 120],
  peer: { name: "peer", values: [80, 100, 500] },
  ...parts,
});

test("the median of an odd number of runs is the one in the middle", (t) => {
  t.is(median([5, 1, 900]), 5);
});

test("the median of an even number of runs is the mean of the two in the middle", (t) => {
  t.is(median([1, 2, 4, 900]), 3);
});

test("the median sorts by number, not by text", (t) => {
  t.is(median([9, 10, 100]), 10);
});

test("the median leaves the runs in the order they were taken", (t) => {
  const values = [3, 1, 2];
  median(values);
  t.deepEqual(values, [3, 1, 2]);
});

test("there is no median of nothing", (t) => {
  t.throws(() => median([]), { instanceOf: RangeError });
});

test("runs are summed up by their median unless the highest is asked for", (t) => {
  t.is(summarize([1, 2, 9]), 2);
  t.is(summarize([1, 2, 9], "highest"), 9);
});

test("the ratio is that of the medians", (t) => {
  t.is(ratio(comparison({})), 1);
});

test("the ratio is that of the highest runs where those count", (t) => {
  t.is(ratio(comparison({ summary: "highest" })), 120 / 500);
});

test("there is no ratio without a peer", (t) => {
  const { peer: _, ...alone } = comparison({});
  t.is(ratio(alone), undefined);
});

test("a ratio that equals its limit reaches the target", (t) => {
  t.is(verdict(comparison({ target: { of: "ratio", atLeast: 1 } })), "reached");
  t.is(verdict(comparison({ target: { of: "ratio", atMost: 1 } })), "reached");
});

test("a ratio beyond its limit misses the target", (t) => {
  t.is(verdict(comparison({ target: { of: "ratio", atLeast: 1.01 } })), "missed");
  t.is(verdict(comparison({ target: { of: "ratio", atMost: 0.99 } })), "missed");
});

test("a target for the value does not look at the peer", (t) => {
  t.is(verdict(comparison({ target: { of: "value", atMost: 100 } })), "reached");
  t.is(verdict(comparison({ target: { of: "value", atLeast: 101 } })), "missed");
});

test("a limit that no run may pass is missed by one run", (t) => {
  const target = { of: "value", atMost: 110 } as const;
  t.is(verdict(comparison({ target })), "reached");
  t.is(verdict(comparison({ target, summary: "highest" })), "missed");
});

test("without a target, or without the peer that it asks for, there is no verdict", (t) => {
  const { peer: _, ...alone } = comparison({ target: { of: "ratio", atLeast: 1 } });
  t.is(verdict(comparison({})), "no target");
  t.is(verdict(alone), "no target");
});
