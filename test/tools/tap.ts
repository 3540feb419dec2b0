import { SKIPPED } from "./tools.ts";

/** One test as TAP tells it. */
export interface TapTest {
  readonly title: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it was skipped. */
  readonly reason: string | undefined;
  /** What it logged, and how it failed. */
  readonly details: readonly string[];
}

const RESULT = /^(not )?ok \d+ - (.*?)( # SKIP)?$/;
// What ava writes at the end, beside its count of tests.
const SUMMARY = /^(?:\d+\.\.\d+|# (?:tests|pass|skip|fail) \d+|TAP version \d+|)$/;

/** Reads the lines that `ava --tap` writes. Lines that belong to no test are handed to `other`. */
export async function* readTap(
  lines: AsyncIterable<string>,
  other: (line: string) => void,
): AsyncIterable<TapTest> {
  let current: string[] | undefined;
  for await (const line of lines) {
    if (RESULT.test(line)) {
      if (current !== undefined) yield toTest(current);
      current = [line];
    } else if (SUMMARY.test(line)) {
      if (current !== undefined) yield toTest(current);
      current = undefined;
    } else if (current !== undefined && /^(?:#| {2})/.test(line)) {
      current.push(line);
    } else {
      other(line);
    }
  }
  if (current !== undefined) yield toTest(current);
}

function toTest([result = "", ...details]: readonly string[]): TapTest {
  const [, not, title = "", skip] = RESULT.exec(result) ?? [];
  const marked = details.find((line) => line.includes(SKIPPED));
  const reason = marked?.slice(marked.indexOf(SKIPPED) + SKIPPED.length);
  const skipped = skip !== undefined || reason !== undefined;
  return { title, outcome: not !== undefined ? "failed" : skipped ? "skipped" : "passed", reason, details };
}
