import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { ServerConfig } from "../config.ts";
import { type Layerd, METRICS_TYPE } from "../create.ts";
import { urlOf } from "./address.ts";
import { listen } from "./listen.ts";
import type { Log } from "./log.ts";

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** `/metrics` on an address of its own, so that what operators see is not for everybody; `undefined` when it is off. */
export async function serveMetrics(
  config: ServerConfig,
  layerd: Layerd,
  log: Log,
): Promise<MetricsServer | undefined> {
  const { metricsPort, metricsHost } = config;
  if (metricsPort === "off") return undefined;
  // The process has one; with it, the event loop and the memory that everything in it shares.
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const texts = () => Promise.all([layerd.metrics(), registry.metrics()]);
  const server = createServer((req, res) => {
    answer(req, res, texts).catch((err: unknown) => {
      log.logger.error({ err }, "the metrics could not be read");
      if (!res.headersSent)
        send(res, 500, "the metrics could not be read; the server's log has the details\n");
      else res.destroy();
    });
  });
  const flags = { host: "--metrics-host", port: "--metrics-port" };
  const port = await listen(server, { host: metricsHost, port: metricsPort }, flags);
  return { url: `${urlOf(metricsHost, port, "http")}/metrics`, close: () => closeNow(server) };
}

async function answer(
  { method, url = "" }: IncomingMessage,
  res: ServerResponse,
  texts: () => Promise<readonly string[]>,
): Promise<void> {
  if (url.split("?")[0] !== "/metrics") return send(res, 404, "there is nothing here but /metrics\n");
  if (method !== "GET" && method !== "HEAD") return send(res, 405, "try GET\n", { Allow: "GET, HEAD" });
  send(res, 200, (await texts()).join("\n"), { "Content-Type": METRICS_TYPE });
}

function send(res: ServerResponse, status: number, text: string, fields: Record<string, string> = {}): void {
  res.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", ...fields }).end(text);
}

async function closeNow(server: Server): Promise<void> {
  const closed = new Promise((done) => server.close(done));
  server.closeAllConnections();
  await closed;
}
