import type { Server } from "node:http";
import type { Server as TlsServer } from "node:tls";
import Koa from "koa";
import { hasDirectory, isShared, type ServerConfig, storeConfigOf } from "../config.ts";
import { createLayerd, type Layerd } from "../create.ts";
import { banner } from "./banner.ts";
import { Drain } from "./drain.ts";
import { createHttpServer, isClientGone, requestListener } from "./http-server.ts";
import { listen } from "./listen.ts";
import { type Log, openLog } from "./log.ts";
import { type MetricsServer, serveMetrics } from "./metrics-server.ts";
import { type Control, openControl } from "./operations/control.ts";
import { operationsOf } from "./operations/operations.ts";
import { onFatal, onHangup, stopSignal } from "./process.ts";
import { type Identity, readIdentity } from "./tls.ts";

/** Runs a server until a signal ends it. @throws what keeps it from starting. */
export async function serve(config: ServerConfig): Promise<void> {
  const identity = readIdentity(config);
  const log = openLog(config);
  onFatal(log);
  const stopped = stopSignal(log);
  const layerd = await createLayerd(storeConfigOf(config), {
    log: log.logger,
    logRequest: log.logRequest,
    passUnknown: false,
  });
  const server = await makeServer(layerd, log, identity);
  const control = await openControlOf(config, layerd);
  const drain = new Drain(server);
  let metrics: MetricsServer | undefined;
  try {
    if (identity !== undefined) reloadOnHangup(server as unknown as TlsServer, config, log);
    reopenOnHangup(layerd, config, log);
    metrics = await serveMetrics(config, layerd, log);
    const port = await listen(server, config);
    announce(config, port, metrics, log);
    log.logger.info({ signal: await stopped }, "stopping: requests in flight may finish");
    await drain.finish();
  } finally {
    await metrics?.close();
    await control?.close();
    await layerd.close();
  }
  log.logger.info("stopped");
  await log.drain();
}

/** Of a store that others may open, operators are one more of those. */
async function openControlOf(config: ServerConfig, layerd: Layerd): Promise<Control | undefined> {
  if (config.memory || isShared(config)) return undefined;
  return await openControl(config.data, operationsOf(layerd.registry, false));
}

async function makeServer(layerd: Layerd, log: Log, identity: Identity | undefined): Promise<Server> {
  const app = new Koa();
  app.on("error", (err: NodeJS.ErrnoException, ctx?: Koa.Context) => {
    if (!isClientGone(err, ctx)) log.logger.error({ err }, "request failed");
  });
  const server = await createHttpServer(requestListener(app, layerd.middleware), identity);
  layerd.configureServer(server);
  return server;
}

/** New connections show the new certificate; a file that cannot be used leaves things as they are. */
function reloadOnHangup(server: TlsServer, config: ServerConfig, log: Log): void {
  onHangup(() => {
    try {
      server.setSecureContext(readIdentity(config) ?? {});
      log.logger.info("the certificate has been read again");
    } catch (error) {
      log.logger.error(`the certificate stays as it was: ${(error as Error).message}`);
    }
  });
}

/** For those who move the audit log away themselves, as logrotate does. */
function reopenOnHangup(layerd: Layerd, { auditLog }: ServerConfig, log: Log): void {
  if (auditLog === "") return;
  onHangup(() => {
    layerd.reopenAuditLog().then(
      () => log.logger.info("the audit log has been opened anew"),
      (error: Error) => log.logger.error(`the audit log stays in its old file: ${error.message}`),
    );
  });
}

function announce(config: ServerConfig, port: number, metrics: MetricsServer | undefined, log: Log): void {
  const { host, data, durability } = config;
  process.stderr.write(banner(config, port, metrics?.url));
  if (log.format !== "json") return;
  const addresses = { host, port, ...(metrics === undefined ? {} : { metrics: metrics.url }) };
  log.logger.info({ ...addresses, data: hasDirectory(config) ? data : null, durability }, "listening");
}
