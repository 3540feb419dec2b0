import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { ServerConfig } from "../config.ts";
import { METRICS_TYPE } from "../create.ts";
import { urlOf } from "./address.ts";
import { listen } from "./listen.ts";
import type { Log } from "./log.ts";

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where metrics are to be served; `undefined` when they are off. */
export function metricsAddressOf({
  metricsHost: host,
  metricsPort: port,
}: ServerConfig): Address | undefined {
  return port === "off" ? undefined : { host, port };
}

/** `/metrics` on an address of its own, so that what operators see is not for everybody. */
export async function serveMetrics(
  address: Address,
  read: () => Promise<string>,
  log: Log,
): Promise<MetricsServer> {
  const server = createServer((req, res) => {
    answer(req, res, read).catch((err: unknown) => {
      log.logger.error({ err }, "the metrics could not be read");
      if (!res.headersSent)
        send(res, 500, "the metrics could not be read; the server's log has the details\n");
      else res.destroy();
    });
  });
  const flags = { host: "--metrics-host", port: "--metrics-port" };
  const port = await listen(server, address, flags);
  return { url: `${urlOf(address.host, port, "http")}/metrics`, close: () => closeNow(server) };
}

async function answer(
  { method, url = "" }: IncomingMessage,
  res: ServerResponse,
  read: () => Promise<string>,
): Promise<void> {
  if (url.split("?")[0] !== "/metrics") return send(res, 404, "there is nothing here but /metrics\n");
  if (method !== "GET" && method !== "HEAD") return send(res, 405, "try GET\n", { Allow: "GET, HEAD" });
  send(res, 200, await read(), { "Content-Type": METRICS_TYPE });
}

function send(res: ServerResponse, status: number, text: string, fields: Record<string, string> = {}): void {
  res.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", ...fields }).end(text);
}

async function closeNow(server: Server): Promise<void> {
  const closed = new Promise((done) => server.close(done));
  server.closeAllConnections();
  await closed;
}
