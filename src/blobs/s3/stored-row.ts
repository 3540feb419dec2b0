import type { UploadCatalog, UploadRow, UploadVersion } from "./catalog.ts";
import { PartNumbers } from "./part-numbers.ts";

/**
 * The row of an upload as this server knows it. Changes go one after the other, for each has to know the version
 * that the one before has made.
 */
export class StoredRow {
  readonly #uploads: UploadCatalog;
  #row: UploadRow;
  #changing: Promise<unknown> = Promise.resolve();
  #failed = false;
  readonly #numbers = new PartNumbers((until) => this.#takeNumbers(until));

  constructor(uploads: UploadCatalog, row: UploadRow) {
    this.#uploads = uploads;
    this.#row = row;
  }

  get row(): UploadRow {
    return this.#row;
  }

  /**
   * Changes the row, then what is known of it. After one that failed all others fail, until the row has been looked
   * at anew.
   */
  async change(
    make: (upload: UploadVersion, row: UploadRow) => Promise<string>,
    learned: (row: UploadRow) => Partial<UploadRow>,
  ): Promise<void> {
    const changed = this.#changing.then(async () => {
      const { id, version } = this.#row;
      const next = await make({ id, version }, this.#row);
      this.#row = { ...this.#row, ...learned(this.#row), version: next };
    });
    this.#changing = changed;
    changed.catch(() => {
      this.#failed = true;
    });
    await changed;
  }

  /** The number of the next part; throws what `change` does. */
  async nextNumber(): Promise<number> {
    return await this.#numbers.next();
  }

  /** Whether nobody else has changed the row. This server's own changes end first. */
  async isCurrent(): Promise<boolean> {
    const looked = this.#changing.then(async () => {
      const { id, version } = this.#row;
      return (await this.#uploads.versionOf(id)) === version;
    });
    this.#changing = looked.catch(() => undefined);
    const same = await looked.catch((error: unknown) => {
      if (!this.#failed) throw error;
      return false;
    });
    return same && !this.#failed;
  }

  async #takeNumbers(until: (first: number) => number): Promise<number> {
    let first = 0;
    let nextPart = 0;
    await this.change(
      (upload, row) => {
        first = row.nextPart;
        nextPart = until(first);
        return this.#uploads.takeNumbers(upload, nextPart);
      },
      () => ({ nextPart }),
    );
    return first;
  }
}
