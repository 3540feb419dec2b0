import test from "ava";
import fc from "fast-check";
import { Entries } from "../../src/index/entries.ts";
import { Multimap } from "../../src/index/multimap.ts";
import { digest } from "./samples.ts";

test("entries are listed as a plain sorted list would be, after any additions, replacements and removals", (t) => {
  const step = fc.record({ put: fc.boolean(), number: fc.nat(120) });
  const page = fc.record({
    limit: fc.integer({ min: 1, max: 9 }),
    before: fc.option(fc.nat(700), { nil: undefined }),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 600, size: "max" }),
      fc.array(page, { maxLength: 5 }),
      (steps, pages) => {
        const entries = new Entries<{
          digest: ReturnType<typeof digest>;
          position: number;
          version: number;
        }>();
        let plain: { digest: ReturnType<typeof digest>; position: number; version: number }[] = [];
        for (const [version, { put, number }] of steps.entries()) {
          const known = plain.find((entry) => entry.digest === digest(number));
          const entry = { digest: digest(number), position: known?.position ?? version, version };
          plain = plain.filter((other) => other !== known);
          if (put) {
            entries.put(entry);
            plain = [...plain, entry].sort((a, b) => a.position - b.position);
          } else {
            entries.delete(entry.digest);
          }
        }
        t.deepEqual(entries.toArray(), plain);
        t.is(entries.size, plain.length);
        for (const { limit, before } of pages) {
          const rest = plain.filter((entry) => before === undefined || entry.position < before).reverse();
          const items = rest.slice(0, limit);
          const next = rest.length > limit ? { next: items.at(-1)?.position } : {};
          t.deepEqual(entries.page({ limit, before }), { items, ...next } as never);
        }
      },
    ),
  );
});

test("a multimap holds sets, in the order in which their values came", (t) => {
  const step = fc.record({
    add: fc.boolean(),
    key: fc.constantFrom("k", "l"),
    value: fc.constantFrom("a", "b", "c"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), (steps, limit) => {
      const map = new Multimap<string, string>();
      const plain = new Map([
        ["k", new Set<string>()],
        ["l", new Set<string>()],
      ]);
      for (const { add, key, value } of steps) {
        map[add ? "add" : "delete"](key, value);
        plain.get(key)?.[add ? "add" : "delete"](value);
      }
      for (const [key, values] of plain) {
        t.deepEqual([...map.of(key)], [...values]);
        t.deepEqual(map.first(key), [...values]);
        t.deepEqual(map.first(key, limit), [...values].slice(0, limit));
      }
    }),
  );
});
