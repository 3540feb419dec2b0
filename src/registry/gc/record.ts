interface Removed {
  manifests: number;
  links: number;
  blobs: number;
  bytes: number;
  purged: number;
  purgedBytes: number;
  disposed: number;
  disposedBytes: number;
}

export function nothingRemoved(): Removed {
  const purged = { purged: 0, purgedBytes: 0, disposed: 0, disposedBytes: 0 };
  return { manifests: 0, links: 0, blobs: 0, bytes: 0, ...purged };
}

/** What a collection has come to. */
interface Outcome extends Readonly<Removed> {
  readonly kept: number;
  readonly keptBytes: number;
}

/** What collections have come to since the process began. */
export class CollectionRecord {
  succeeded = 0;
  failed = 0;
  readonly removed = nothingRemoved();
  /** The latest one that succeeded. */
  last: { readonly at: Date; readonly seconds: number; readonly outcome: Outcome } | undefined;

  /** @param started in milliseconds of `performance.now()`. */
  add(outcome: Outcome, started: number): void {
    this.succeeded += 1;
    this.last = { at: new Date(), seconds: (performance.now() - started) / 1000, outcome };
    for (const key of Object.keys(this.removed) as (keyof Removed)[]) this.removed[key] += outcome[key];
  }
}
