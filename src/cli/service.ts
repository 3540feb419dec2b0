import type { Server } from "node:http";
import type { Server as TlsServer } from "node:tls";
import Koa from "koa";
import { type ServerConfig, storeConfigOf } from "../config.ts";
import { createLayerd, type Host, type Layerd } from "../create.ts";
import { Drain } from "./drain.ts";
import { createHttpServer, isClientGone, requestListener } from "./http-server.ts";
import { listen } from "./listen.ts";
import type { Log } from "./log.ts";
import { type Identity, readIdentity } from "./tls.ts";

/** A store with the server in front of it: what one process serves. */
export class Service {
  readonly layerd: Layerd;
  readonly #config: ServerConfig;
  readonly #log: Log;
  readonly #server: Server;
  readonly #drain: Drain;

  private constructor(config: ServerConfig, log: Log, layerd: Layerd, server: Server) {
    this.layerd = layerd;
    this.#config = config;
    this.#log = log;
    this.#server = server;
    this.#drain = new Drain(server);
  }

  /** Listens to nobody yet. @throws what keeps it from starting. */
  static async open(config: ServerConfig, log: Log, host: Pick<Host, "logAudit"> = {}): Promise<Service> {
    const identity = readIdentity(config);
    const layerd = await createLayerd(storeConfigOf(config), {
      ...host,
      log: log.logger,
      logRequest: log.logRequest,
      passUnknown: false,
    });
    return new Service(config, log, layerd, await makeServer(layerd, log, identity));
  }

  /** Resolves with the port. @throws StartError */
  async listen(): Promise<number> {
    return await listen(this.#server, this.#config);
  }

  /** New connections show the new certificate; a file that cannot be used leaves things as they are. */
  reloadIdentity(): void {
    try {
      const identity = readIdentity(this.#config);
      if (identity === undefined) return;
      (this.#server as unknown as TlsServer).setSecureContext(identity);
      this.#log.logger.info("the certificate has been read again");
    } catch (error) {
      this.#log.logger.error(`the certificate stays as it was: ${(error as Error).message}`);
    }
  }

  /** Accepts nobody from now on, and resolves when the last request in flight has been answered. */
  async finish(): Promise<void> {
    await this.#drain.finish();
  }

  async close(): Promise<void> {
    await this.layerd.close();
  }
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
