import { pipeline, type Readable, Transform } from "node:stream";

/** The same stream without its first `count` bytes. It fails when the source fails. */
export function skipBytes(source: Readable, count: number): Readable {
  let left = count;
  const skipping = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const skipped = Math.min(left, chunk.length);
      left -= skipped;
      if (skipped < chunk.length) done(null, chunk.subarray(skipped));
      else done();
    },
  });
  // Whoever reads the result sees its error; there is nothing to add here.
  return pipeline(source, skipping, () => undefined);
}
