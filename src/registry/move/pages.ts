import type { RepositoryName } from "../../core/name.ts";
import type { Index, Page, PageRequest } from "../../index/port.ts";

/* Listings page by page: nobody holds all of one. */

/** Entries of a page, which are also what is written in one transaction. */
export const PAGE = 200;

interface Placed {
  readonly position: number;
}

type Read<T> = (page: PageRequest) => Promise<Page<T>>;

/** A listing as it was when it was begun to be read; what is added afterwards is no part of it. */
export class Listing<T extends Placed> {
  readonly #read: Read<T>;
  /** Below which the entries of each page are, newest first: a number a page is all that is kept. */
  readonly #befores: readonly number[];

  private constructor(read: Read<T>, befores: readonly number[]) {
    this.#read = read;
    this.#befores = befores;
  }

  static async of<T extends Placed>(read: Read<T>): Promise<Listing<T>> {
    const befores: number[] = [];
    let page = await read({ limit: PAGE });
    const newest = page.items[0]?.position;
    if (newest !== undefined) befores.push(newest + 1);
    while (page.next !== undefined) {
      befores.push(page.next);
      page = await read({ limit: PAGE, before: page.next });
    }
    return new Listing(read, befores);
  }

  /** Below which all positions are. */
  get end(): number {
    return this.#befores[0] ?? 0;
  }

  /** Pages, and what is on them, in the order in which the entries came: indexes give the newest first. */
  async *oldestFirst(): AsyncGenerator<T[]> {
    for (let at = this.#befores.length - 1; at >= 0; at--) {
      const { items } = await this.#read({ limit: PAGE, before: this.#befores[at] ?? 0 });
      // Where entries have gone meanwhile, a page reaches into the one that was given before it.
      const floor = this.#befores[at + 1] ?? 0;
      yield items.filter(({ position }) => position >= floor).reverse();
    }
  }
}

export async function* newestFirst<T extends Placed>(read: Read<T>): AsyncGenerator<readonly T[]> {
  for (let before: number | undefined; ; ) {
    const page = await read({ limit: PAGE, ...(before === undefined ? {} : { before }) });
    yield page.items;
    if (page.next === undefined) return;
    before = page.next;
  }
}

/** For what is listed by name. */
export async function* byName<T, C extends string>(
  read: (page: { limit: number; after?: string }) => Promise<Page<T, C>>,
): AsyncGenerator<readonly T[]> {
  for (let after: C | undefined; ; ) {
    const page: Page<T, C> = await read({ limit: PAGE, ...(after === undefined ? {} : { after }) });
    yield page.items;
    if (page.next === undefined) return;
    after = page.next;
  }
}

export async function* repositoriesOf(index: Pick<Index, "repositories">): AsyncGenerator<RepositoryName> {
  for await (const names of byName((page) => index.repositories(page))) yield* names;
}
