/** What has been opened on the way to something whole. */
export class Opened {
  readonly #opened: { close(): Promise<void> }[] = [];

  /** Runs `work`; when it fails, closes what it has opened, the latest first. */
  static async orClose<T>(work: (opened: Opened) => Promise<T>): Promise<T> {
    const opened = new Opened();
    try {
      return await work(opened);
    } catch (error) {
      // The first fault is the one to be told of.
      for (const one of opened.#opened.toReversed()) await one.close().catch(() => undefined);
      throw error;
    }
  }

  add<T extends { close(): Promise<void> }>(one: T): T {
    this.#opened.push(one);
    return one;
  }
}
