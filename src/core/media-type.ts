/** Media types of the image-spec that layerd itself writes. */
export const MEDIA_TYPE = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  empty: "application/vnd.oci.empty.v1+json",
  tar: "application/vnd.oci.image.layer.v1.tar",
  tarGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  tarZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  bytes: "application/octet-stream",
} as const;

// RFC 6838 §4.2: restricted names, at most 127 characters each side of the slash.
const MEDIA_TYPE_GRAMMAR = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

export function isMediaType(text: string): boolean {
  return MEDIA_TYPE_GRAMMAR.test(text);
}

/** How many first bytes of a layer `sniffLayer` wants to see. */
export const SNIFF_LENGTH = 512;

/** Names a layer's media type by its first bytes: gzip, zstd (RFC 8878 §3.1.1), tar ("ustar" at 257). */
export function sniffLayer(head: Uint8Array): string {
  if (head[0] === 0x1f && head[1] === 0x8b) return MEDIA_TYPE.tarGzip;
  if (isZstd(head)) return MEDIA_TYPE.tarZstd;
  if (Buffer.from(head.subarray(257, 262)).toString("latin1") === "ustar") return MEDIA_TYPE.tar;
  return MEDIA_TYPE.bytes;
}

function isZstd(head: Uint8Array): boolean {
  const [a, b, c, d] = head;
  const skippable = a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18;
  return skippable || (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd);
}
