// Bytes. Below, freeing or moving memory costs more than it gains.
const WORTH_MOVING = 16 * 1024;

/** Whether the memory of a chunk that nobody else has can go to another thread: it is the chunk's alone. */
export function isMovable(chunk: Uint8Array): chunk is Uint8Array<ArrayBuffer> {
  const { buffer, length } = chunk;
  return length >= WORTH_MOVING && length === buffer.byteLength && buffer instanceof ArrayBuffer;
}

/**
 * Frees the memory of a chunk that nobody will look at again. The garbage collector would do so later: for a
 * body of a gigabyte it then runs a dozen times, and lets a hundred megabytes pile up.
 */
export function free(chunk: Uint8Array): void {
  if (isMovable(chunk)) chunk.buffer.transfer(0);
}
