/** What a scrub has come to so far. */
export interface ScrubTally {
  blobs: number;
  bytes: number;
  quarantined: number;
  kept: number;
  unreadable: number;
}

export function emptyTally(): ScrubTally {
  return { blobs: 0, bytes: 0, quarantined: 0, kept: 0, unreadable: 0 };
}

/** What scrubs have come to since the process began; those that run, and those that were broken off, too. */
export class ScrubRecord {
  succeeded = 0;
  failed = 0;
  readonly tally = emptyTally();
  /** When the latest one ended that succeeded. */
  lastAt: Date | undefined;

  success(): void {
    this.succeeded += 1;
    this.lastAt = new Date();
  }
}
