import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Server as TlsServer } from "node:tls";
import Koa from "koa";
import { type ServerConfig, storeConfigOf } from "../config.ts";
import { createLayerd, type Layerd } from "../create.ts";
import { banner } from "./banner.ts";
import { Drain } from "./drain.ts";
import { explainListening } from "./failures.ts";
import { createHttpServer, isClientGone, requestListener } from "./http-server.ts";
import { type Log, openLog } from "./log.ts";
import { openControl } from "./operations/control.ts";
import { operationsOf } from "./operations/operations.ts";
import { onFatal, onHangup, stopSignal } from "./process.ts";
import { type Identity, readIdentity } from "./tls.ts";

/** Runs a server until a signal ends it. @throws what keeps it from starting. */
export async function serve(config: ServerConfig): Promise<void> {
  const identity = readIdentity(config);
  const log = openLog(config);
  onFatal(log.logger);
  const stopped = stopSignal();
  const layerd = await createLayerd(storeConfigOf(config), {
    log: log.logger,
    logRequest: log.logRequest,
    passUnknown: false,
  });
  const server = await makeServer(layerd, log, identity);
  const control = config.memory
    ? undefined
    : await openControl(config.data, operationsOf(layerd.registry, false));
  const drain = new Drain(server);
  try {
    if (identity !== undefined) reloadOnHangup(server as unknown as TlsServer, config, log);
    const port = await listen(server, config);
    announce(config, port, log);
    log.logger.info({ signal: await stopped }, "stopping: requests in flight may finish");
    await drain.finish();
  } finally {
    await control?.close();
    await layerd.close();
  }
  log.logger.info("stopped");
  await log.drain();
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

/** Resolves with the port, which matters when any free one was asked for. */
async function listen(server: Server, { host, port }: ServerConfig): Promise<number> {
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    throw explainListening(error as NodeJS.ErrnoException, host, port);
  }
  return (server.address() as AddressInfo).port;
}

function announce(config: ServerConfig, port: number, log: Log): void {
  const { host, memory, data, durability } = config;
  process.stderr.write(banner(config, port));
  if (log.format === "json")
    log.logger.info({ host, port, data: memory ? null : data, durability }, "listening");
}
