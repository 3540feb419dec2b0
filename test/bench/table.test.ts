import test from "ava";
import { formatNumber, formatSize, markdownTable } from "../../bench/toolkit/table.ts";

test("a row shows both sides with their spread, the ratio, the target and the verdict", (t) => {
  const table = markdownTable([
    {
      what: "1 GiB, one client",
      unit: "MiB/s",
      layerd: [2000, 1000, 3000],
      peer: { name: "nginx", values: [1000, 900, 2500] },
      target: { of: "ratio", atLeast: 0.9 },
    },
  ]);
  const row = table
    .split("\n")[2]
    ?.split("|")
    .map((cell) => cell.trim());
  t.deepEqual(row?.slice(1, -1), [
    "1 GiB, one client",
    "MiB/s",
    "2,000 (1,000–3,000)",
    "nginx: 1,000 (900–2,500)",
    "2.00",
    "≥ 0.9 ×",
    "reached",
  ]);
});

test("a row without peer and target says so", (t) => {
  const table = markdownTable([{ what: "memory", unit: "MB", layerd: [60.04] }]);
  const row = table
    .split("\n")[2]
    ?.split("|")
    .map((cell) => cell.trim());
  t.deepEqual(row?.slice(1, -1), ["memory", "MB", "60", "–", "–", "–", "–"]);
});

test("numbers have about three digits that matter", (t) => {
  t.deepEqual([0.1234, 1.004, 45.67, 999.4, 123456.7].map(formatNumber), [
    "0.12",
    "1",
    "45.7",
    "999",
    "123,457",
  ]);
});

test("sizes are told in the largest unit that fits", (t) => {
  t.deepEqual([2 ** 30, 64 * 2 ** 20, 1024, 7].map(formatSize), ["1 GiB", "64 MiB", "1 KiB", "7 B"]);
});
