import { createHash, type Hash } from "node:crypto";
import { readSync } from "node:fs";
import { type MessagePort, parentPort } from "node:worker_threads";
import type { DigestAlgorithm } from "../core/digest.ts";
import { free } from "./chunk-memory.ts";

/** What the hashing thread is asked to do. All but `begin` and `drop` are answered, in the order of asking. */
export type HashRequest =
  /** Begins with the first byte of a file that is open in this process, or, without one, of parts. */
  | {
      readonly type: "begin";
      readonly session: number;
      readonly fd?: number;
      readonly algorithms: readonly DigestAlgorithm[];
    }
  /** Hashes what follows in the file, until offset `to`. */
  | { readonly type: "read"; readonly session: number; readonly to: number }
  /** Hashes what follows: chunks whose memory has come along, and ends here. */
  | { readonly type: "take"; readonly session: number; readonly chunks: readonly Uint8Array[] }
  /**
   * Hashes what follows: bytes `from` to `to` of memory that has come along, and goes back with the answer. With it
   * come the digests until here, and the SHA-256 of the part that these bytes belong to; `last`: it ends here.
   */
  | {
      readonly type: "part";
      readonly session: number;
      readonly memory: ArrayBuffer;
      readonly from: number;
      readonly to: number;
      readonly last: boolean;
    }
  /** Answered with the digests, in hexadecimal and in the order of the algorithms. Ends the session. */
  | { readonly type: "digest"; readonly session: number }
  | { readonly type: "drop"; readonly session: number };

export interface HashAnswer {
  /** In hexadecimal and in the order of the algorithms, where they were asked for. */
  readonly digests: readonly string[];
  /** After `part`. */
  readonly part?: { readonly sha256: string; readonly memory: ArrayBuffer };
}

export type HashReply = HashAnswer | { readonly error: Error };

interface Session {
  readonly fd: number | undefined;
  readonly hashes: readonly Hash[];
  /** Of the part that has begun. */
  part: Hash;
  offset: number;
}

// Bytes: what fits well into a processor's cache, so that hashing finds there what reading has put there.
const BUFFER = 256 * 1024;

function serve(port: MessagePort): void {
  const sessions = new Map<number, Session>();
  const buffer = Buffer.allocUnsafeSlow(BUFFER);
  port.on("message", (request: HashRequest) => {
    const reply = answer(sessions, request, buffer);
    if (reply === undefined) return;
    const memory = "part" in reply ? reply.part?.memory : undefined;
    port.postMessage(reply, memory === undefined ? [] : [memory]);
  });
}

function answer(sessions: Map<number, Session>, request: HashRequest, buffer: Buffer): HashReply | undefined {
  const session = sessions.get(request.session);
  switch (request.type) {
    case "begin": {
      const hashes = request.algorithms.map((algorithm) => createHash(algorithm));
      const part = createHash("sha256");
      sessions.set(request.session, { fd: request.fd, hashes, part, offset: 0 });
      return undefined;
    }
    case "read":
      return session && hashTo(session, request.to, buffer);
    case "take":
      return session && hashChunks(session, request.chunks);
    case "part":
      return session && hashPart(session, request);
    case "digest":
      sessions.delete(request.session);
      return { digests: session?.hashes.map((hash) => hash.digest("hex")) ?? [] };
    case "drop":
      sessions.delete(request.session);
      return undefined;
    default:
      return request satisfies never;
  }
}

function hashTo(session: Session, to: number, buffer: Buffer): HashReply {
  try {
    if (session.fd === undefined) throw new Error("there is no file to read from");
    while (session.offset < to) {
      const length = Math.min(buffer.length, to - session.offset);
      const count = readSync(session.fd, buffer, 0, length, session.offset);
      if (count === 0) throw new Error(`the file ends at byte ${session.offset}, before byte ${to}`);
      for (const hash of session.hashes) hash.update(buffer.subarray(0, count));
      session.offset += count;
    }
    return { digests: [] };
  } catch (error) {
    return { error: error as Error };
  }
}

function hashChunks(session: Session, chunks: readonly Uint8Array[]): HashReply {
  for (const chunk of chunks) {
    for (const hash of session.hashes) hash.update(chunk);
    session.offset += chunk.length;
    free(chunk);
  }
  return { digests: [] };
}

function hashPart(session: Session, request: Extract<HashRequest, { type: "part" }>): HashAnswer {
  const { memory, to, last } = request;
  for (let at = request.from; at < to; at += BUFFER) {
    const slice = new Uint8Array(memory, at, Math.min(BUFFER, to - at));
    for (const hash of [session.part, ...session.hashes]) hash.update(slice);
  }
  const sha256 = session.part.copy().digest("hex");
  if (last) session.part = createHash("sha256");
  return { digests: session.hashes.map((hash) => hash.copy().digest("hex")), part: { sha256, memory } };
}

if (parentPort !== null) serve(parentPort);
