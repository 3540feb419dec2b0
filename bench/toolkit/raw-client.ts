import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  /** The value of a header, by its name in lower case. */
  header(name: string): string | undefined;
}

interface Waiting {
  resolve(answer: RawAnswer): void;
  reject(error: Error): void;
}

/**
 * A connection that is kept alive and carries one request at a time, with the least that HTTP/1.1 asks for: what
 * measures a server must not take more of the machine than the server does. Understands answers with a
 * Content-Length, or with none and no body.
 */
export class RawConnection {
  readonly #socket: Socket;
  readonly #host: string;
  #received = "";
  #waiting: Waiting | undefined;

  constructor(origin: string) {
    const { hostname, port, host } = new URL(origin);
    this.#host = host;
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text: string) => this.#take(text));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the server has closed the connection")));
  }

  /** @param target path and query. */
  send(method: string, target: string, body: Buffer | string = "", mediaType?: string): Promise<RawAnswer> {
    const type = mediaType === undefined ? "" : `Content-Type: ${mediaType}\r\n`;
    const length = `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    this.#socket.cork();
    this.#socket.write(`${method} ${target} HTTP/1.1\r\nHost: ${this.#host}\r\n${type}${length}\r\n`);
    this.#socket.write(body);
    this.#socket.uncork();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#received += text;
    const end = this.#received.indexOf("\r\n\r\n");
    if (end === -1) return;
    const head = this.#received.slice(0, end);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    if (this.#received.length < end + 4 + length) return;
    this.#received = this.#received.slice(end + 4 + length);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({
      status: Number(head.slice(9, 12)),
      header: (name) => new RegExp(`^${name}: *(.*)`, "im").exec(head)?.[1]?.trim(),
    });
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
