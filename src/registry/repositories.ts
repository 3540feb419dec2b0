import type { RepositoryName } from "../core/name.ts";
import type { Index, Page, PageAfter } from "../index/port.ts";

/** Which repositories there are. */
export class Repositories {
  readonly #index: Index;

  constructor(index: Index) {
    this.#index = index;
  }

  /** Whether anything has ever been stored in it. */
  exists(name: RepositoryName): Promise<boolean> {
    return this.#index.exists(name);
  }

  /** In the ASCIIbetical order of their names. */
  list(page: PageAfter<string>): Promise<Page<RepositoryName, RepositoryName>> {
    return this.#index.repositories(page);
  }
}
