import type { Share } from "./buffers.ts";
import { read } from "./disk.ts";
import type { ByteSpan } from "./port.ts";

export interface PumpOptions {
  readonly fd: number;
  readonly span: ByteSpan;
  readonly share: Share;
  /** Takes the bytes on, and resolves when it is done with them. */
  readonly deliver: (bytes: Uint8Array) => Promise<void>;
  /** Whether nobody looks at the bytes any more once `deliver` has resolved. Default: true. */
  readonly reuse?: boolean;
}

interface Filled {
  readonly buffer: Buffer;
  readonly length: number;
}

/**
 * Moves a span of a file: one buffer is read into while the other one is being delivered. Rejects when the
 * delivery does, or when the file ends before the span does.
 */
export async function pump(options: PumpOptions): Promise<void> {
  const { span, share, deliver, reuse = true } = options;
  let at = span.start;
  let reading = at < span.end ? fill(options, share.take(span.end - at), at) : undefined;
  try {
    while (reading !== undefined) {
      const { buffer, length }: Filled = await reading;
      at += length;
      const ahead = at < span.end ? share.tryTake(span.end - at) : undefined;
      reading = ahead && fill(options, ahead, at);
      await delivered(share, buffer, deliver(buffer.subarray(0, length)), reuse);
      if (reading === undefined && at < span.end) reading = fill(options, share.take(span.end - at), at);
    }
  } finally {
    // A thread may still be reading into it.
    await reading?.then(
      ({ buffer }) => share.give(buffer),
      () => undefined,
    );
  }
}

async function delivered(
  share: Share,
  buffer: Buffer,
  delivery: Promise<void>,
  reuse: boolean,
): Promise<void> {
  let finished = false;
  try {
    await delivery;
    finished = true;
  } finally {
    // A delivery that broke off says nothing about who may still be reading the buffer.
    if (finished && reuse) share.give(buffer);
    else share.drop(buffer);
  }
}

function fill(options: PumpOptions, buffer: Buffer, at: number): Promise<Filled> {
  const filled = readInto(options, buffer, at);
  // It may fail while nobody waits for it yet; whoever waits later still learns of it.
  filled.catch(() => undefined);
  return filled;
}

async function readInto({ fd, span, share }: PumpOptions, buffer: Buffer, at: number): Promise<Filled> {
  let length = 0;
  try {
    length = await read(fd, buffer, Math.min(buffer.length, span.end - at), at);
    if (length === 0) throw new Error(`the file ends at byte ${at}, before byte ${span.end}`);
    return { buffer, length };
  } finally {
    if (length === 0) share.give(buffer);
  }
}
