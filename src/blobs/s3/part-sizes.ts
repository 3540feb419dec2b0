const MiB = 1024 * 1024;

/** Amazon S3 takes no more parts in one upload. */
export const PARTS_MAX = 10_000;

// Parts from that number on are of that size: 8 GiB in parts of 8 MiB, 472 GiB in all.
const SIZES = [
  { from: 4001, size: 64 * MiB },
  { from: 2001, size: 32 * MiB },
  { from: 1001, size: 16 * MiB },
  { from: 1, size: 8 * MiB },
];

/** Bytes of a whole part. Parts grow with their number, for nobody says how long an upload is going to be. */
export function partSize(number: number): number {
  return SIZES.find(({ from }) => number >= from)?.size ?? 8 * MiB;
}

/**
 * Bytes from which on a part may be sent before it is whole: never less than the 5 MiB that S3 wants, and so that an
 * upload that is always sent early still has room for 256 GiB.
 */
export function earlySize(number: number): number {
  return (partSize(number) / 8) * 5;
}
