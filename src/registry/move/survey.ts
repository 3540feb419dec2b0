import { createHash } from "node:crypto";
import type { BlobEntry, ManifestEntry } from "../../index/port.ts";
import { byName, newestFirst, repositoriesOf } from "./pages.ts";
import type { Source } from "./source.ts";

/**
 * Reads all that an index knows, and sums it up in one text. What comes gets a new place and what moves a new time, so
 * that nothing is as it was: two equal texts mean that nothing has changed from the end of the first reading to the
 * beginning of the second.
 * @param each told of every blob and manifest of every repository
 */
export async function survey(
  source: Source,
  each: (entry: BlobEntry | ManifestEntry) => void = () => undefined,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash("sha256");
  const add = (items: readonly object[]) => {
    signal?.throwIfAborted();
    for (const item of items) hash.update(JSON.stringify(item));
  };
  for await (const repository of repositoriesOf(source)) {
    add([{ repository }]);
    for await (const items of newestFirst((page) => source.blobs(repository, page))) {
      add(items);
      items.forEach(each);
    }
    for await (const items of newestFirst((page) => source.manifests(repository, page))) {
      add(items);
      items.forEach(each);
    }
    for await (const items of byName((page) => source.tags(repository, page))) add(items);
  }
  return hash.digest("hex");
}
