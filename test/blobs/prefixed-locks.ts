import type { Locks } from "../../src/cluster/port.ts";

/** Locks of one place: all tests of a file use one database, and the same names. */
export function prefixed(locks: Locks, prefix: string): Locks {
  return { take: (name) => locks.take(prefix + name) };
}
