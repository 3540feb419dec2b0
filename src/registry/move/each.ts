/**
 * Works on some things at a time, and resolves with what came of each, in their order. When one fails, no more are
 * begun, and its error is thrown when those under way have ended.
 */
export async function eachOf<T, R>(
  items: readonly T[],
  atATime: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  // One for all. A loop that is left by an error ends it.
  const queue = entriesOf(items);
  const worker = async () => {
    for (const [at, item] of queue) results[at] = await work(item);
  };
  const ended = await Promise.allSettled(Array.from({ length: atATime }, worker));
  for (const end of ended) if (end.status === "rejected") throw end.reason;
  return results;
}

function* entriesOf<T>(items: readonly T[]): Generator<[number, T]> {
  yield* items.entries();
}
