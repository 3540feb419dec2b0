import type { Progress } from "../../create.ts";
import { formatDuration, formatSize } from "./format.ts";

/** A line on a terminal's standard error that is written again and again; elsewhere, nothing. */
export class ProgressLine {
  readonly shown = process.stderr.isTTY === true;

  /** @param left milliseconds that it is going to take, if that can be told */
  show({ done, total }: Progress, left?: number): void {
    const percent = total === 0 ? 100 : Math.min(100, Math.floor((done / total) * 100));
    const until = left === undefined ? "" : `, ${formatDuration(left)} left`;
    this.#write(`${formatSize(done)} of ${formatSize(total)}, ${percent} %${until}`);
  }

  /** To be called before anything else is written. */
  clear(): void {
    this.#write("");
  }

  #write(text: string): void {
    // To the line's beginning, and the rest of it away.
    if (this.shown) process.stderr.write(`\r\u001b[K${text}`);
  }
}
