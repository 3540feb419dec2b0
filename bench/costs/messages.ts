/** A message of PostgreSQL's protocol (PostgreSQL manual, §Message Formats). */
export interface Message {
  /** Its letter; empty for the first one of a client, which has none. */
  readonly type: string;
  /** What follows the length. */
  readonly body: Buffer;
}

const LENGTH = 4;

/** Cuts what one side of a connection says into messages. */
export class Messages {
  #rest: Buffer = Buffer.alloc(0);
  #untyped: boolean;

  constructor(side: "client" | "server") {
    this.#untyped = side === "client";
  }

  /** Those that end in this chunk. */
  *take(chunk: Buffer): Generator<Message> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const head = this.#untyped ? 0 : 1;
      if (this.#rest.length < head + LENGTH) return;
      const end = head + this.#rest.readUInt32BE(head);
      if (this.#rest.length < end) return;
      const type = this.#rest.toString("latin1", 0, head);
      const body = this.#rest.subarray(head + LENGTH, end);
      this.#rest = this.#rest.subarray(end);
      this.#untyped = false;
      yield { type, body };
    }
  }
}

/** The strings at the beginning of a body, each of which ends in a zero. */
export function stringsOf(body: Buffer, count: number): string[] {
  return body.toString("utf8").split("\0", count);
}
