/** Media types of the image-spec and of Docker that layerd writes, or treats in a way of their own. */
export const MEDIA_TYPE = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  config: "application/vnd.oci.image.config.v1+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  empty: "application/vnd.oci.empty.v1+json",
  tar: "application/vnd.oci.image.layer.v1.tar",
  tarGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  tarZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  bytes: "application/octet-stream",
} as const;

// RFC 6838 §4.2: restricted names, at most 127 characters each side of the slash.
const MEDIA_TYPE_GRAMMAR = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;
// RFC 9110 §8.3.1: what may follow the first semicolon.
const PARAMETERS_GRAMMAR = /^(?:[ \t]*;[ \t]*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"[ !#-[\]-~]*"))*$/;
const PARAMETRIZED_MAX = 512;

export function isMediaType(text: string): boolean {
  return MEDIA_TYPE_GRAMMAR.test(text);
}

/** True for a media type, maybe with parameters, such as `text/plain; charset=utf-8`. Always visible ASCII. */
export function isParametrizedMediaType(text: string): boolean {
  if (text.length > PARAMETRIZED_MAX) return false;
  const name = text.split(/[ \t]*;/, 1)[0] ?? "";
  return isMediaType(name) && PARAMETERS_GRAMMAR.test(text.slice(name.length));
}

/** A media type without its parameters, in lower case: what two of them are compared by (RFC 6838 §4.2). */
export function essenceOf(mediaType: string): string {
  return (mediaType.split(";", 1)[0] ?? "").trim().toLowerCase();
}

/** True for the config of an image that a container engine can run (image-spec config.md). */
export function isImageConfig(mediaType: string): boolean {
  const essence = essenceOf(mediaType);
  return essence === MEDIA_TYPE.config || essence === MEDIA_TYPE.dockerConfig;
}

const FOREIGN_LAYERS = [
  "application/vnd.oci.image.layer.nondistributable.",
  "application/vnd.docker.image.rootfs.foreign.",
];

/**
 * True for a layer that is not meant to be pushed (image-spec layer.md §Non-Distributable Layers, Docker's
 * foreign layers). Its `urls` have no say in that.
 */
export function isForeignLayer(mediaType: string): boolean {
  return FOREIGN_LAYERS.some((prefix) => mediaType.toLowerCase().startsWith(prefix));
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
