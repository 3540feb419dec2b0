import { isShared, type ServerConfig } from "../config.ts";
import { createProcessMetrics, type Layerd } from "../create.ts";
import { announce, reopenAudit } from "./announce.ts";
import { openLog } from "./log.ts";
import { type MetricsServer, metricsAddressOf, serveMetrics } from "./metrics-server.ts";
import { type Control, openControl } from "./operations/control.ts";
import { operationsOf } from "./operations/operations.ts";
import { onFatal, onHangup, stopSignal } from "./process.ts";
import { Service } from "./service.ts";

/** Runs a server in this process until a signal ends it. @throws what keeps it from starting. */
export async function serve(config: ServerConfig): Promise<void> {
  const log = openLog(config);
  onFatal(log);
  const stopped = stopSignal(log);
  const service = await Service.open(config, log);
  const { layerd } = service;
  const control = await openControlOf(config, layerd);
  let metrics: MetricsServer | undefined;
  try {
    if (config.tlsCert !== "") onHangup(() => service.reloadIdentity());
    if (config.auditLog !== "") onHangup(() => reopenAudit(() => layerd.reopenAuditLog(), log));
    const metricsAddress = metricsAddressOf(config);
    if (metricsAddress !== undefined) {
      metrics = await serveMetrics(metricsAddress, textsOf(layerd), log);
    }
    const port = await service.listen();
    announce(config, { port, metrics: metrics?.url }, log);
    log.logger.info({ signal: await stopped }, "stopping: requests in flight may finish");
    await service.finish();
  } finally {
    await metrics?.close();
    await control?.close();
    await service.close();
  }
  log.logger.info("stopped");
  await log.drain();
}

/** Of a store that others may open, operators are one more of those. */
async function openControlOf(config: ServerConfig, layerd: Layerd): Promise<Control | undefined> {
  if (config.memory || isShared(config)) return undefined;
  return await openControl(config.data, operationsOf(layerd.registry, false));
}

/** The store's, and with them the event loop and the memory that everything in the process shares. */
function textsOf(layerd: Layerd): () => Promise<string> {
  const ofProcess = createProcessMetrics();
  return async () => (await Promise.all([layerd.metrics(), ofProcess.text()])).join("\n");
}
