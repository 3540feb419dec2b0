import test from "ava";
import { type Event, isLinearizable, type Operation } from "./checker.ts";

const event = (start: number, end: number, operation: Operation): Event => ({ start, end, operation });
const set = (value: string) => ({ type: "set", value }) as const;
const read = (value: string | null) => ({ type: "read", value }) as const;

for (const [what, holds, events] of [
  ["nothing", true, []],
  ["a read of nothing", true, [event(0, 1, read(null))]],
  ["a read of what nobody set", false, [event(0, 1, read("a"))]],
  ["a read after a write", true, [event(0, 1, set("a")), event(2, 3, read("a"))]],
  ["a stale read", false, [event(0, 1, set("a")), event(2, 3, set("b")), event(4, 5, read("a"))]],
  [
    "a read during a write, of before",
    true,
    [event(0, 1, set("a")), event(2, 5, set("b")), event(3, 4, read("a"))],
  ],
  [
    "a read during a write, of after",
    true,
    [event(0, 1, set("a")), event(2, 5, set("b")), event(3, 4, read("b"))],
  ],
  [
    "two reads during a write, forth and back",
    false,
    [event(0, 1, set("a")), event(2, 9, set("b")), event(3, 4, read("b")), event(5, 6, read("a"))],
  ],
  [
    "two who create the same tag",
    false,
    [0, 1].map((at) => event(at, 5, { type: "create", value: "a", done: true })),
  ],
  [
    "one who creates a tag, and one who is refused",
    true,
    [
      event(0, 5, { type: "create", value: "a", done: true }),
      event(1, 2, { type: "create", value: "b", done: false }),
    ],
  ],
  [
    "a lost update",
    false,
    [
      event(0, 1, set("a")),
      event(2, 6, { type: "swap", from: "a", value: "b", done: true }),
      event(3, 7, { type: "swap", from: "a", value: "c", done: true }),
    ],
  ],
  [
    "a tag deleted twice",
    false,
    [event(0, 1, set("a")), ...[2, 3].map((at) => event(at, 9, { type: "delete", done: true } as const))],
  ],
] as const) {
  test(`${what} is ${holds ? "" : "not "}linearizable`, (t) => t.is(isLinearizable(events), holds));
}
