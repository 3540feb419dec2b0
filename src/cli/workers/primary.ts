import { resolve, type Source } from "../../config.ts";
import { createAuditMetrics, createProcessMetrics, openAuditFile, Together } from "../../create.ts";
import { announce, reopenAudit } from "../announce.ts";
import { openLog } from "../log.ts";
import { type MetricsServer, metricsAddressOf, serveMetrics } from "../metrics-server.ts";
import { onFatal, onHangup, stopSignal } from "../process.ts";
import { Crew } from "./crew.ts";

type AuditFile = NonNullable<Awaited<ReturnType<typeof openAuditFile>>>;

/**
 * Runs a server of several processes until a signal ends it. This one serves nobody: it has the workers, their audit
 * log and their metrics. @throws what keeps a worker from starting.
 */
export async function serveByWorkers(sources: readonly Source[], count: number): Promise<void> {
  const { config } = resolve(sources);
  const log = openLog(config);
  onFatal(log);
  const stopped = stopSignal(log);
  const audit = await openAuditFile(config, log.logger);
  const together = new Together();
  const crew = new Crew({
    ...{ count, sources, log },
    audit: (line) => audit?.add(line),
    onEnded: (id) => together.retire(id),
  });
  let metrics: MetricsServer | undefined;
  try {
    if (config.tlsCert !== "") onHangup(() => crew.reloadIdentities());
    if (audit !== undefined) onHangup(() => reopenAudit(() => audit.reopen(), log));
    const metricsAddress = metricsAddressOf(config);
    if (metricsAddress !== undefined) {
      metrics = await serveMetrics(metricsAddress, textsOf(crew, together, audit), log);
    }
    announce(config, { port: await crew.start(), metrics: metrics?.url, workers: count }, log);
    log.logger.info({ signal: await stopped }, "stopping: requests in flight may finish");
  } finally {
    await crew.stop();
    await metrics?.close();
    await audit?.close();
  }
  log.logger.info("stopped");
  await log.drain();
}

// Workers count from 1.
const THIS_PROCESS = 0;

function textsOf(crew: Crew, together: Together, audit: AuditFile | undefined): () => Promise<string> {
  const ofProcess = createProcessMetrics();
  const ofAudit = audit && createAuditMetrics(() => audit.lost);
  return async () => {
    const own = [await ofProcess.samples(), (await ofAudit?.samples()) ?? []].flat();
    together.report(THIS_PROCESS, own);
    await crew.measure((id, samples) => together.report(id, samples));
    return await together.text();
  };
}
