import http from "node:http";
import type { Socket } from "node:net";
import { type Answer, expect } from "../toolkit/http-client.ts";

export interface Options {
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Talks to one server over connections that are kept alive, and knows how many bytes went over them. */
export class Client {
  readonly #origin: string;
  readonly #agent: http.Agent;
  readonly #sockets = new Set<Socket>();

  /** @param connections that are open at a time. */
  constructor(origin: string, connections: number) {
    this.#origin = origin;
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  }

  /** Bytes to the server and back, heads and bodies. */
  get bytes(): { readonly sent: number; readonly received: number } {
    const sockets = [...this.#sockets];
    return {
      sent: sockets.reduce((sum, socket) => sum + socket.bytesWritten, 0),
      received: sockets.reduce((sum, socket) => sum + socket.bytesRead, 0),
    };
  }

  /** @throws unless it is answered with this status. */
  async send(status: number, method: string, path: string, options: Options = {}): Promise<Answer> {
    const url = new URL(path, this.#origin).href;
    const { body, headers = {} } = options;
    const length =
      method === "GET" || method === "HEAD" ? {} : { "Content-Length": Buffer.byteLength(body ?? "") };
    const request = http.request(url, { method, agent: this.#agent, headers: { ...headers, ...length } });
    request.once("socket", (socket) => this.#sockets.add(socket));
    request.end(body);
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) =>
      request.once("response", resolve).once("error", reject),
    );
    const whole = Buffer.concat(await answer.toArray());
    const got = { status: answer.statusCode ?? 0, headers: answer.headers, body: whole };
    expect(status, { method, url }, got);
    return got;
  }

  close(): void {
    this.#agent.destroy();
  }
}
