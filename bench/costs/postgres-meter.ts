import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type Message, Messages, stringsOf } from "./messages.ts";

/** What was asked of PostgreSQL. */
export interface PostgresCounts {
  /** Of each statement the name under which it was prepared, else how it begins; in their order on each connection. */
  readonly statements: readonly string[];
  /** How often somebody waited for an answer. */
  readonly roundTrips: number;
  /** Transactions that changed rows, each of which waits for the database's disk. */
  readonly commits: number;
  /** That were inserted, updated or deleted. */
  readonly rows: number;
  /** Bytes to PostgreSQL and back. */
  readonly sent: number;
  readonly received: number;
}

// What a server says now and then to hear whether the database is there; no request asks it.
const HEARTBEAT = "select";
const CHANGES = /^(?:INSERT \d+|UPDATE|DELETE) (\d+)$/;

/** A way to PostgreSQL on which everything is counted. */
export class PostgresMeter {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #counts = nothing();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target the port of PostgreSQL on loopback. */
  static async start(target: number): Promise<PostgresMeter> {
    let meter: PostgresMeter | undefined;
    const server = createServer((socket) => meter?.join(socket, target));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    meter = new PostgresMeter(server);
    return meter;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What has been counted since it was last taken. */
  take(): PostgresCounts {
    const taken = this.#counts;
    this.#counts = nothing();
    return taken;
  }

  /** How many statements since. */
  get asked(): number {
    return this.#counts.statements.length;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  join(client: Socket, target: number): void {
    const server = connect(target, "127.0.0.1");
    const heard = new Connection((text) => this.#ask(text), {
      roundTrip: () => {
        this.#counts.roundTrips += 1;
      },
      transaction: (rows) => {
        this.#counts.rows += rows;
        if (rows > 0) this.#counts.commits += 1;
      },
    });
    const fromClient = new Messages("client");
    const fromServer = new Messages("server");
    client.on("data", (chunk: Buffer) => {
      this.#counts.sent += chunk.length;
      for (const message of fromClient.take(chunk)) heard.client(message);
    });
    server.on("data", (chunk: Buffer) => {
      this.#counts.received += chunk.length;
      for (const message of fromServer.take(chunk)) heard.server(message);
    });
    client.setNoDelay().pipe(server.setNoDelay()).pipe(client);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
  }

  #ask(text: string): void {
    this.#counts.statements.push(text);
  }
}

interface Heard {
  roundTrip(): void;
  transaction(rows: number): void;
}

/** What one connection is about. */
class Connection {
  readonly #ask: (statement: string) => void;
  readonly #heard: Heard;
  /** Texts of statements without a name. */
  #unnamed = "";
  #bound = "";
  #rows = 0;

  constructor(ask: (statement: string) => void, heard: Heard) {
    this.#ask = ask;
    this.#heard = heard;
  }

  client({ type, body }: Message): void {
    if (type === "P") {
      const [name = "", text = ""] = stringsOf(body, 2);
      if (name === "") this.#unnamed = text;
    } else if (type === "B") {
      const [, name = ""] = stringsOf(body, 2);
      this.#bound = name || beginning(this.#unnamed);
    } else if (type === "E") {
      this.#ask(this.#bound);
    } else if (type === "S") {
      this.#heard.roundTrip();
    } else if (type === "Q") {
      this.#simple(stringsOf(body, 1)[0] ?? "");
    }
  }

  server({ type, body }: Message): void {
    if (type === "C") this.#rows += Number(CHANGES.exec(stringsOf(body, 1)[0] ?? "")?.[1] ?? 0);
    // ReadyForQuery says whether a transaction is open.
    if (type !== "Z" || body.toString("latin1") !== "I") return;
    this.#heard.transaction(this.#rows);
    this.#rows = 0;
  }

  #simple(text: string): void {
    if (text === HEARTBEAT) return;
    this.#heard.roundTrip();
    for (const statement of text.split(";")) this.#ask(beginning(statement));
  }
}

function beginning(text: string): string {
  return text.trim().split(/\s+/).slice(0, 3).join(" ");
}

function nothing() {
  return { statements: [] as string[], roundTrips: 0, commits: 0, rows: 0, sent: 0, received: 0 };
}
