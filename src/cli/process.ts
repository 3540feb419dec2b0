import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "./log.ts";

// Milliseconds. Whoever reads the log may have stopped reading.
const LAST_LINES = 3000;

/** Resolves with the first signal that asks to stop. The second one ends the process at once. */
export function stopSignal(log: Pick<Log, "drain">): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      resolve(signal);
      for (const again of ["SIGTERM", "SIGINT"] as const) process.on(again, () => void end(log));
    });
  }
  return promise;
}

/** Has files read or opened again, as whoever renews certificates or rotates logs asks daemons to. */
export function onHangup(reload: () => void): void {
  process.on("SIGHUP", reload);
}

/** After an error that nobody caught the state of the process is unknown: it is logged, and the process ends. */
export function onFatal(log: Pick<Log, "logger" | "drain">): void {
  const { logger } = log;
  process.on("uncaughtException", (err, origin) => {
    logger.fatal({ err, origin }, "stopped by an unexpected error");
    if (!logger.isLevelEnabled("fatal")) process.stderr.write(`layerd: stopped by ${err.stack}\n`);
    void end(log);
  });
}

/**
 * Once what was logged has been written: lines may be on their way in another thread, and an exit would write the last
 * ones before them, or take them along.
 */
async function end(log: Pick<Log, "drain">): Promise<void> {
  await Promise.race([log.drain(), delay(LAST_LINES)]);
  process.exit(1);
}

/** Whoever reads our output may stop reading: `layerd --help | head`. */
export function ignoreBrokenPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}
