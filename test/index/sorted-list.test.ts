import test from "ava";
import fc from "fast-check";
import { SortedList } from "../../src/index/sorted-list.ts";

interface Item {
  readonly key: string;
  readonly version: number;
}

const keyOf = (item: Item) => item.key;

/** A plain list that is sorted anew each time it is read. */
class Model {
  readonly items = new Map<string, Item>();

  after(key: string): Item[] {
    return this.toArray().filter((item) => item.key > key);
  }

  toArray(): Item[] {
    return [...this.items.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

const someKey = fc.string({ unit: fc.constantFrom("a", "b", "B", "0", "_", "-", ".", "/"), maxLength: 3 });

test("a sorted list is what a plain list sorted each time would be", (t) => {
  const step = fc.record({ put: fc.boolean(), key: someKey });
  const property = fc.property(
    fc.uniqueArray(someKey, { maxLength: 20 }),
    fc.array(step, { maxLength: 100 }),
    fc.array(someKey, { maxLength: 5 }),
    (first, steps, cursors) => {
      const items = first.map((key) => ({ key, version: -1 }));
      const list = new SortedList(keyOf, items);
      const model = new Model();
      for (const item of items) model.items.set(item.key, item);
      for (const [version, { put, key }] of steps.entries()) {
        if (put) {
          list.put({ key, version });
          model.items.set(key, { key, version });
        } else {
          list.delete(key);
          model.items.delete(key);
        }
      }
      t.deepEqual(list.toArray(), model.toArray());
      for (const cursor of cursors) t.deepEqual([...list.after(cursor)], model.after(cursor));
    },
  );
  fc.assert(property);
});

/** Reproducible, and in no order. */
function shuffled(count: number): number[] {
  return Array.from({ length: count }, (_, at) => (at * 7919) % count);
}

test("so is one of many thousands, however they come and go", (t) => {
  const count = 5003;
  const orders = { ascending: shuffled(count).sort((a, b) => a - b), shuffled: shuffled(count) };
  const keyAt = (number: number) => String(number).padStart(6, "0");
  for (const [title, order] of Object.entries(orders)) {
    for (const begun of [0, 2000]) {
      const items = order.map((number) => ({ key: keyAt(number), version: number }));
      const list = new SortedList(keyOf, items.slice(0, begun));
      for (const item of items.slice(begun)) list.put(item);
      const model = new Model();
      for (const item of items) model.items.set(item.key, item);
      const check = () => {
        t.deepEqual(list.toArray(), model.toArray(), title);
        for (const cursor of ["", keyAt(1), keyAt(2500), "0025", keyAt(count - 1), "~"])
          t.deepEqual([...list.after(cursor)], model.after(cursor), `${title}, after ${cursor}`);
      };
      check();
      for (const item of items.filter(({ version }) => version % 5 !== 0 || version < 2500)) {
        list.delete(item.key);
        model.items.delete(item.key);
      }
      check();
      for (const item of items) {
        list.put({ ...item, version: 0 });
        model.items.set(item.key, { ...item, version: 0 });
      }
      check();
      for (const item of items) list.delete(item.key);
      t.deepEqual(list.toArray(), []);
    }
  }
});
