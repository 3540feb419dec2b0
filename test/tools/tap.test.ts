import test from "ava";
import { readTap, type TapTest } from "./tap.ts";

const TAP = `TAP version 13
ok 1 - config › one thing # as it should
something printed by a test
ok 2 - clients › another
#   SKIPPED: wrk is missing: apt-get install wrk
ok 3 - never run # SKIP
not ok 4 - broken
  ---
    message: no
  ...

1..4
# tests 4
# pass 3
# fail 1
`;

async function* linesOf(text: string) {
  yield* text.split("\n");
}

async function read(text: string, other: (line: string) => void = () => undefined): Promise<TapTest[]> {
  const tests: TapTest[] = [];
  for await (const each of readTap(linesOf(text), other)) tests.push(each);
  return tests;
}

test("TAP is read as tests with their outcome", async (t) => {
  const others: string[] = [];
  const tests = await read(TAP, (line) => others.push(line));
  t.deepEqual(
    tests.map(({ title, outcome }) => [title, outcome]),
    [
      ["config › one thing # as it should", "passed"],
      ["clients › another", "skipped"],
      ["never run", "skipped"],
      ["broken", "failed"],
    ],
  );
  t.is(tests[1]?.reason, "wrk is missing: apt-get install wrk");
  t.deepEqual(tests[3]?.details, ["  ---", "    message: no", "  ..."]);
  t.deepEqual(others, ["something printed by a test"]);
});

test("a test that was the last before its process died is not lost", async (t) => {
  const tests = await read("not ok 1 - cut off\n  ---");
  t.deepEqual(
    tests.map(({ outcome }) => outcome),
    ["failed"],
  );
});
