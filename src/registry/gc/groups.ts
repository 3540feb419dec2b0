/** Works on the items in groups of `size`: the next group begins when the last one is done. */
export async function inGroups<T>(
  items: Iterable<T> | AsyncIterable<T>,
  size: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let group: Promise<void>[] = [];
  for await (const item of items) {
    group.push(work(item));
    if (group.length < size) continue;
    await Promise.all(group);
    group = [];
  }
  await Promise.all(group);
}
