import { join } from "node:path";
import { parseRepositoryName, type RepositoryName } from "../core/name.ts";
import type { Disk } from "./disk.ts";
import { pageOf } from "./page.ts";
import { repositoryPaths } from "./paths.ts";
import type { Page, PageAfter } from "./port.ts";

/**
 * Which repositories there are, as the names on the disk tell: none is read for that, and a page looks only
 * into the directories that it comes from. (The one thing names cannot tell: a crash in the middle of the
 * very first change leaves half a line. Such a repository is listed until somebody uses it.)
 */
export class Catalog {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #known: (name: RepositoryName) => boolean | undefined;

  /** @param known whether a repository exists, as far as that is known in memory. */
  constructor(disk: Disk, root: string, known: (name: RepositoryName) => boolean | undefined) {
    this.#disk = disk;
    this.#root = root;
    this.#known = known;
  }

  async exists(name: RepositoryName): Promise<boolean> {
    const known = this.#known(name);
    if (known !== undefined) return known;
    const recorded = await this.#isRecorded(name);
    // One that came into memory meanwhile knows whether what was found is durable.
    return this.#known(name) ?? recorded;
  }

  async page({ limit, after = "" }: PageAfter<string>): Promise<Page<RepositoryName, RepositoryName>> {
    const names: RepositoryName[] = [];
    for await (const name of this.#below("", after)) {
      names.push(name);
      if (names.length > limit) break;
    }
    return pageOf(names, limit, (name) => name);
  }

  /** @param directory of repositories: `` is the root, `a/b/` is what is below `a/b`. */
  async *#below(directory: string, after: string): AsyncGenerator<RepositoryName> {
    const names = await this.#disk.list(join(this.#root, directory));
    for (const key of keysOf(directory, names, after)) {
      if (key.endsWith("/")) {
        yield* this.#below(key, after);
      } else {
        const name = nameFrom(key);
        if (name !== undefined && (await this.exists(name))) yield name;
      }
    }
  }

  /** In the order in which compaction moves the record on, so that it cannot be missed. */
  async #isRecorded(name: RepositoryName): Promise<boolean> {
    const { journal, oldJournal, snapshot } = repositoryPaths(this.#root, name);
    // An empty one waits for its first line.
    if (((await this.#disk.size(journal)) ?? 0) > 0) return true;
    if ((await this.#disk.size(oldJournal)) !== undefined) return true;
    return (await this.#disk.size(snapshot)) !== undefined;
  }
}

/**
 * For each name in a directory, `a` for the repository and `a/` for all that is below it, sorted as whole
 * names are: `a-b` comes between the two, for `-` and `.` are less than `/`. Only what can be after `after`.
 */
function keysOf(directory: string, names: readonly string[], after: string): string[] {
  return names
    .filter((name) => !name.startsWith("_"))
    .flatMap((name) => [`${directory}${name}`, `${directory}${name}/`])
    .filter((key) => key > after || (key.endsWith("/") && after.startsWith(key)))
    .sort();
}

/** `undefined` for what somebody else has put there. */
function nameFrom(text: string): RepositoryName | undefined {
  try {
    return parseRepositoryName(text);
  } catch {
    return undefined;
  }
}
