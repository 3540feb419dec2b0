import type { Digest } from "../core/digest.ts";
import type { Tag } from "../core/name.ts";
import { Multimap } from "./multimap.ts";
import { pageOf } from "./page.ts";
import type { Page, PageAfter, TagEntry } from "./port.ts";
import { SortedList } from "./sorted-list.ts";

/**
 * The tags of a repository: by name, in the order of their names, and by what they point at. The order is
 * made when it is asked for first, and kept from then on: sorting 100,000 one by one while they are loaded
 * would make loading take a third longer.
 */
export class Tags {
  readonly #byName = new Map<Tag, TagEntry>();
  readonly #byManifest = new Multimap<Digest, Tag>();
  #order: SortedList<TagEntry> | undefined;

  get size(): number {
    return this.#byName.size;
  }

  get(tag: Tag): TagEntry | undefined {
    return this.#byName.get(tag);
  }

  /** The tags that point at a manifest. */
  of(manifest: Digest): Tag[] {
    return this.#byManifest.first(manifest);
  }

  /** How many of them there are. */
  count(manifest: Digest): number {
    return this.#byManifest.count(manifest);
  }

  put({ digest, updatedAt, ...entry }: TagEntry): void {
    const before = this.#byName.get(entry.tag);
    // The same name each time it is moved, not one more string.
    const { tag } = before ?? entry;
    if (before !== undefined) this.#byManifest.delete(before.digest, tag);
    const kept = { tag, digest, updatedAt };
    this.#byName.set(tag, kept);
    this.#order?.put(kept);
    this.#byManifest.add(digest, tag);
  }

  delete(tag: Tag): void {
    const entry = this.#byName.get(tag);
    if (entry === undefined) return;
    this.#byName.delete(tag);
    this.#order?.delete(tag);
    this.#byManifest.delete(entry.digest, tag);
  }

  page({ limit, after = "" }: PageAfter<string>): Page<TagEntry, Tag> {
    return pageOf(this.#sorted().after(after), limit, (entry) => entry.tag);
  }

  /** A copy, in the order of the names. */
  toArray(): TagEntry[] {
    return this.#sorted().toArray();
  }

  #sorted(): SortedList<TagEntry> {
    this.#order ??= new SortedList((entry) => entry.tag, [...this.#byName.values()]);
    return this.#order;
  }
}
