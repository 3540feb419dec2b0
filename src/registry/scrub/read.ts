import { createHash } from "node:crypto";
import type { BlobHandle } from "../../blobs/port.ts";
import { algorithmOf, type Digest, makeDigest } from "../../core/digest.ts";
import type { Pace } from "../gc/pace.ts";
import type { Rate } from "./rate.ts";

/** How blobs are read in one pass. */
export interface Reading {
  readonly pace: Pace;
  readonly rate: Rate;
  readonly signal: AbortSignal;
  /** Told of each piece. */
  readonly onPiece?: (bytes: number) => void;
}

/** What is wrong with a blob. */
export type Damage = Wrong<"other bytes"> | Wrong<"unreadable">;

interface Wrong<What> {
  readonly what: What;
  readonly why: string;
}

/** Compares a blob with its digest, piece by piece. @throws when reading is broken off */
export async function damageOf(handle: BlobHandle, reading: Reading): Promise<Damage | undefined> {
  try {
    const actual = await digestOf(handle, reading);
    if (actual === handle.digest) return undefined;
    return { what: "other bytes", why: `its bytes are ${actual}` };
  } catch (error) {
    if (reading.signal.aborted) throw error;
    return unreadable(error);
  }
}

/** The store's own errors say little of what the disk has said. */
export function unreadable(error: unknown): Wrong<"unreadable"> {
  const { cause = error } = error as Error;
  return { what: "unreadable", why: `it cannot be read: ${(cause as Error).message}` };
}

async function digestOf(handle: BlobHandle, { pace, rate, onPiece }: Reading): Promise<Digest> {
  const algorithm = algorithmOf(handle.digest);
  const hash = createHash(algorithm);
  for await (const piece of handle.stream() as AsyncIterable<Buffer>) {
    hash.update(piece);
    onPiece?.(piece.length);
    await rate.spend(piece.length);
    await pace.step();
  }
  return makeDigest(algorithm, hash.digest("hex"));
}
