import { LocalHolds } from "./local-holds.ts";
import type { Cluster } from "./port.ts";

/** A process that has its stores for itself. */
export function createLocalCluster(): Cluster {
  const never = new AbortController().signal;
  return {
    shared: false,
    holds: new LocalHolds(),
    // When something is due, whoever does it knows from having done it.
    alone: async (_duty, work) => ({ result: await work(never) }),
    close: async () => {},
  };
}
