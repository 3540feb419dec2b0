import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import Koa from "koa";
import { type ServerConfig, storeConfigOf } from "../config.ts";
import { createLayerd, type Layerd } from "../create.ts";
import { banner } from "./banner.ts";
import { Drain } from "./drain.ts";
import { explainListening } from "./failures.ts";
import { type Log, openLog } from "./log.ts";
import { onFatal, stopSignal } from "./process.ts";

/** Runs a server until a signal ends it. @throws what keeps it from starting. */
export async function serve(config: ServerConfig): Promise<void> {
  const log = openLog(config);
  onFatal(log.logger);
  const stopped = stopSignal();
  const layerd = await createLayerd(storeConfigOf(config), {
    log: log.logger,
    logRequest: log.logRequest,
    passUnknown: false,
  });
  const server = makeServer(layerd, log);
  const drain = new Drain(server);
  try {
    const port = await listen(server, config);
    announce(config, port, log);
    log.logger.info({ signal: await stopped }, "stopping: requests in flight may finish");
    await drain.finish();
  } finally {
    await layerd.close();
  }
  log.logger.info("stopped");
  await log.drain();
}

function makeServer(layerd: Layerd, log: Log): Server {
  const app = new Koa();
  app.use(layerd.middleware);
  app.on("error", (err: NodeJS.ErrnoException) => {
    // A client that left is no fault; the request's own line says that it was aborted.
    if (!CLIENT_LEFT.has(err.code ?? "")) log.logger.error({ err }, "request failed");
  });
  // Without a Host the guard answers, in words; Node would close the connection with an empty 400.
  const server = createServer({ requireHostHeader: false }, app.callback());
  layerd.configureServer(server);
  return server;
}

const CLIENT_LEFT = new Set(["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"]);

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
