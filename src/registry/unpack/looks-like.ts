const SIGNATURES: readonly (readonly [bytes: string, name: string])[] = [
  ["\xfd7zXZ\0", "xz-compressed data"],
  ["BZh", "bzip2-compressed data"],
  ["\x1f\x8b", "gzip-compressed data"],
  ["\x28\xb5\x2f\xfd", "zstd-compressed data"],
  ["\x04\x22\x4d\x18", "lz4-compressed data"],
  ["PK\x03\x04", "a zip archive"],
  ["\x7fELF", "an ELF file"],
  ["\xff\xd8\xff", "a JPEG image"],
  ["\x89PNG", "a PNG image"],
  ["%PDF", "a PDF document"],
  ["hsqs", "a squashfs image"],
];

/** Names what commonly begins with these bytes, to help whoever sent it instead of a tar archive. */
export function looksLike(head: Buffer): string | undefined {
  const start = head.toString("latin1", 0, 64);
  const known = SIGNATURES.find(([bytes]) => start.startsWith(bytes));
  if (known !== undefined) return known[1];
  return /^[\t\n\r\x20-\x7e]+$/.test(start) ? "text" : undefined;
}
