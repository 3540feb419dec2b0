import type { Logger } from "pino";

/** Resolves with the first signal that asks to stop. The second one ends the process at once. */
export function stopSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      resolve(signal);
      for (const again of ["SIGTERM", "SIGINT"] as const) process.on(again, () => process.exit(1));
    });
  }
  return promise;
}

/** Has files read or opened again, as whoever renews certificates or rotates logs asks daemons to. */
export function onHangup(reload: () => void): void {
  process.on("SIGHUP", reload);
}

/** After an error that nobody caught the state of the process is unknown: it is logged, and the process ends. */
export function onFatal(log: Logger): void {
  process.on("uncaughtException", (err, origin) => {
    log.fatal({ err, origin }, "stopped by an unexpected error");
    if (!log.isLevelEnabled("fatal")) process.stderr.write(`layerd: stopped by ${err.stack}\n`);
    process.exit(1);
  });
}

/** Whoever reads our output may stop reading: `layerd --help | head`. */
export function ignoreBrokenPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}
