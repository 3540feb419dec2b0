import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A network that can be cut: a port of the loopback interface that leads to another. */
export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #cut = false;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(target: number): Promise<TcpProxy> {
    let proxy: TcpProxy | undefined;
    const server = createServer({ allowHalfOpen: true }, (socket) => proxy?.join(socket, target));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    proxy = new TcpProxy(server);
    return proxy;
  }

  /** From now on nothing comes through, as if a cable had been pulled: nobody is told. */
  cut(): void {
    this.#cut = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.unpipe().pause();
  }

  /** What was cut is over; new connections come through. */
  heal(): void {
    this.#cut = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async close(): Promise<void> {
    this.heal();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  join(socket: Socket, target: number): void {
    const other = connect(target, "127.0.0.1");
    const pair = [socket, other] as const;
    this.#pairs.add(pair);
    for (const end of pair) {
      end.on("error", () => undefined);
      end.once("close", () => {
        this.#pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
    if (this.#cut) {
      for (const end of pair) end.pause();
      return;
    }
    socket.pipe(other);
    other.pipe(socket);
  }
}
