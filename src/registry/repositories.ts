import type { RepositoryName } from "../core/name.ts";
import type { Index } from "../index/port.ts";

// Names that are looked up together.
const AT_ONCE_MAX = 1000;

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

  /**
   * All, in the ASCIIbetical order of their names.
   * @param after only those behind that name.
   * @param expected how many the caller is going to take, unless it leaves some out.
   */
  async *each(after: string | undefined, expected: number): AsyncGenerator<RepositoryName> {
    let limit = Math.min(expected, AT_ONCE_MAX);
    let page = await this.#index.repositories(after === undefined ? { limit } : { limit, after });
    yield* page.items;
    while (page.next !== undefined) {
      limit = Math.min(2 * limit, AT_ONCE_MAX);
      page = await this.#index.repositories({ limit, after: page.next });
      yield* page.items;
    }
  }
}
