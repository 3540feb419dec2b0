import cluster from "node:cluster";
import { once } from "node:events";
import { ConfigError } from "../../config.ts";
import { explainFailure } from "../failures.ts";
import { ignoreBrokenPipes } from "../process.ts";
import type { Order } from "./messages.ts";
import { report } from "./report.ts";
import { ordered, work } from "./worker.ts";

// Where a worker's process begins. A terminal and a service manager send their signals to all processes of a server:
// the first one decides what comes of them, and the workers end when it does.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
ignoreBrokenPipes();

// It may come right behind the first order, before anybody could begin to listen for it.
const stopped = ordered("stop");
const [order] = (await once(process, "message")) as [Order];
if (order.type !== "start") throw new Error(`a worker that has not started was told to ${order.type}`);
try {
  await work(order, stopped);
  // Not an exit: the lines of the last requests are written behind their answers.
  cluster.worker?.disconnect();
} catch (error) {
  const misused = error instanceof ConfigError;
  const message = misused ? error.message : explainFailure(error);
  await report({ type: "failed", message, misused });
  process.exit(1);
}
