import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Request } from "./grammar.ts";

export interface Answer {
  /** 0 when the server closed the connection without a word. */
  readonly status: number;
  readonly body: string;
}

// Milliseconds that an answer may take. It is no measure, but the sign of a server that hangs.
const PATIENCE = 20_000;

/** Sends requests as they are, one after the other, on a connection that is opened anew when the server ends it. */
export class Connection {
  readonly #port: number;
  #socket: Socket | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  async send({ method, text }: Request): Promise<Answer> {
    const socket = this.#socket ?? (await this.#open());
    let received = "";
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const timer = setTimeout(
      () => reject(new Error(`no answer to ${JSON.stringify(text.slice(0, 500))}`)),
      PATIENCE,
    );
    const onData = (chunk: string) => {
      received += chunk;
      const answer = parse(received, method);
      if (answer === undefined) return;
      if (answer.last) this.#forget();
      resolve(answer);
    };
    const onEnd = () => {
      this.#forget();
      resolve(parse(received, method, true) ?? { status: 0, body: received });
    };
    socket.on("data", onData).once("close", onEnd);
    socket.write(text, "latin1");
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      socket.off("data", onData).off("close", onEnd);
    }
  }

  close(): void {
    this.#forget();
  }

  async #open(): Promise<Socket> {
    const socket = connect(this.#port, "127.0.0.1").setEncoding("latin1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    this.#socket = socket;
    return socket;
  }

  #forget(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}

function parse(text: string, method: string, ended = false): (Answer & { last: boolean }) | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const head = text.slice(0, end);
  const status = Number(head.slice(9, 12));
  const rest = text.slice(end + 4);
  if (status < 200) return parse(rest, method, ended);
  const last = /\r\nconnection: close/i.test(head);
  if (method === "HEAD" || status === 204 || status === 304) return { status, body: "", last };
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
  if (rest.length >= length || ended) return { status, body: rest, last };
  return undefined;
}
