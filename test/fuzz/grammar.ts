import { createHash } from "node:crypto";
import type { Random } from "../tools/random.ts";

/*
 * Requests that nobody would write: made by the grammar of those that people write, with something wrong here and
 * there. Small pools of names and contents, so that most of them concern something that is there.
 */

export interface Request {
  readonly method: string;
  /** The bytes of the whole request, as latin1. */
  readonly text: string;
}

const sha256 = (content: string) => `sha256:${createHash("sha256").update(content, "latin1").digest("hex")}`;

const CONTENTS = [
  "",
  "a",
  "layer",
  "{}",
  "x".repeat(5000),
  "\x1f\x8b\x08\x00",
  '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"}}',
] as const;
const DIGESTS = CONTENTS.map(sha256);
const OCI = "application/vnd.oci.image.";
const TYPES = [
  `${OCI}manifest.v1+json`,
  `${OCI}index.v1+json`,
  `${OCI}config.v1+json`,
  `${OCI}layer.v1.tar`,
  "text/plain",
  "*/*",
  "a/b; c=d",
  "/",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.v1+json",
  "multipart/form-data; boundary=x",
  "application/partial-upload",
  "application/json",
] as const;
const NAMES = [
  "library",
  "team/app",
  "a",
  "a/b/c/d/e",
  "UPPER",
  "",
  "-",
  "a//b",
  "a/../b",
  "..",
  "blobs",
  "manifests/uploads",
  "a".repeat(300),
  "a%2fb",
  "%00",
  "ü",
  "_catalog",
] as const;
const TAGS = [
  "v1",
  "latest",
  "",
  ".",
  "-",
  "a".repeat(129),
  "%zz",
  "%2e%2e",
  "sha256:abc",
  "v1?",
  "*",
] as const;
const ODD = [
  "",
  " ",
  "\0",
  "%",
  "%00",
  "%ff",
  "%2f",
  "\\",
  "..",
  "{",
  "[",
  '"',
  "'",
  "<",
  "\x7f",
  "\x80",
  "\xff",
  "0",
  "-1",
  "1e9",
  "99999999999999999999",
  "NaN",
  "null",
  "a".repeat(2000),
  ",".repeat(500),
  "=",
  ";",
  "*",
] as const;
const RANGES = [
  "bytes=0-0",
  "bytes=-1",
  "bytes=1-",
  "bytes=0-,1-,2-",
  "bytes=5-2",
  "bytes=-0",
  "bytes=a-b",
  "lines=1-2",
  "bytes=0-99999999999999999999",
  "bytes=",
  `bytes=${"0-0,".repeat(300)}0-0`,
  "0-4",
  "bytes 0-4/5",
  "bytes 0-4/*",
  "bytes */5",
] as const;
const METHODS = [
  "GET",
  "GET",
  "GET",
  "HEAD",
  "PUT",
  "POST",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "PROPFIND",
] as const;

/** One that is right, or one that is not. */
function odd<T extends string>(random: Random, items: readonly [T, ...T[]]): string {
  return random.chance(1 / 12) ? random.pick(ODD) : random.pick(items);
}

function digest(random: Random): string {
  const right = random.pick(DIGESTS);
  switch (random.int(0, 10)) {
    case 0:
      return right.slice(7);
    case 1:
      return right.toUpperCase();
    case 2:
      return `${right}0`;
    case 3:
      return `sha512:${"0".repeat(128)}`;
    case 4:
      return encodeURIComponent(right);
    default:
      return right;
  }
}

function reference(random: Random): string {
  return random.chance(0.5) ? digest(random) : odd(random, TAGS);
}

/** A path, and the methods that it is for. */
function target(random: Random): readonly [path: string, methods: readonly [string, ...string[]]] {
  const name = random.chance(1 / 3) ? odd(random, NAMES) : random.pick(["library", "team/app"]);
  switch (random.int(0, 18)) {
    case 0:
      return ["/v2/", ["GET"]];
    case 1:
      return ["/v2/_catalog", ["GET"]];
    case 2:
    case 3:
      return [`/v2/${name}/blobs/${digest(random)}`, ["GET", "GET", "HEAD", "DELETE"]];
    case 4:
    case 5:
    case 6:
      return [`/v2/${name}/manifests/${reference(random)}`, ["GET", "HEAD", "PUT", "PUT", "PUT", "DELETE"]];
    case 7:
    case 8:
      return [`/v2/${name}/blobs/uploads/`, ["POST"]];
    case 9:
      return [`/v2/${name}/blobs/uploads/${odd(random, UPLOADS)}`, ["GET", "PATCH", "PUT", "DELETE"]];
    case 10:
      return [`/v2/${name}/tags/list`, ["GET"]];
    case 11:
      return [`/v2/${name}/referrers/${digest(random)}`, ["GET"]];
    case 12:
    case 13:
      return ["/layer", ["POST", "POST", "GET"]];
    case 14:
      return [`/layer/${digest(random)}`, ["GET", "GET", "HEAD", "PUT", "PUT", "PATCH", "DELETE"]];
    case 15:
      return ["/manifest", ["POST", "POST", "GET"]];
    case 16:
      return [`/manifest/${reference(random)}`, ["GET", "HEAD", "DELETE"]];
    default:
      return [`/${random.pick(ODD)}`, ["GET", "POST"]];
  }
}

const UPLOADS = ["00000000-0000-4000-8000-000000000000", "x"] as const;

function query(random: Random): string {
  if (!random.chance(1 / 3)) return "";
  const one = () => {
    switch (random.int(0, 6)) {
      case 0:
        return `digest=${digest(random)}`;
      case 1:
        return `n=${odd(random, ["1", "10", "0", "1001"])}`;
      case 2:
        return `last=${reference(random)}`;
      case 3:
        return `mount=${digest(random)}&from=${odd(random, NAMES)}`;
      case 4:
        return `tag=${odd(random, TAGS)}`;
      default:
        return `artifactType=${odd(random, TYPES)}`;
    }
  };
  return `?${Array.from({ length: 1 + random.int(0, 2) }, one).join("&")}`;
}

function fields(random: Random): string[] {
  const made: string[] = [];
  const maybe = (times: number, make: () => string) => {
    if (random.chance(1 / (2 * times))) made.push(make());
  };
  maybe(4, () => `Range: ${odd(random, RANGES)}`);
  maybe(8, () => `If-Match: ${odd(random, ['"a"', "*", 'W/"a"', '"'])}`);
  maybe(8, () => `If-None-Match: ${odd(random, [`"${random.pick(DIGESTS)}"`, "*", "a,b"])}`);
  maybe(12, () => `If-Range: ${odd(random, ['"a"', "Sat, 29 Oct 1994 19:43:31 GMT"])}`);
  maybe(8, () => `Content-Range: ${odd(random, RANGES)}`);
  maybe(12, () => `Content-Digest: ${odd(random, ["sha-256=:AAAA:", "sha-512=a", "x=:y:"])}`);
  maybe(12, () => `Upload-Complete: ${odd(random, ["?0", "?1"])}`);
  maybe(12, () => `Upload-Offset: ${odd(random, ["0", "5"])}`);
  maybe(12, () => `Upload-Draft-Interop-Version: ${odd(random, ["6", "3"])}`);
  maybe(6, () => `Accept: ${odd(random, TYPES)}`);
  maybe(30, () => `Origin: ${odd(random, ["http://evil.example", "null"])}`);
  maybe(30, () => `Content-Encoding: ${odd(random, ["gzip", "identity"])}`);
  maybe(40, () => `Content-Disposition: attachment; filename="${random.pick(ODD)}"`);
  maybe(60, () => `Expect: ${odd(random, ["100-continue", "x"])}`);
  maybe(60, () => `X-${random.pick(ODD)}: ${random.pick(ODD)}`);
  return made;
}

function json(random: Random, depth = 0): unknown {
  switch (random.int(0, depth > 4 ? 6 : 9)) {
    case 0:
      return random.pick(ODD);
    case 1:
      return random.int(0, 10_000) - 5000;
    case 2:
      return null;
    case 3:
      return random.chance(0.5);
    case 4:
      return digest(random);
    case 5:
      return random.pick(TYPES);
    case 6:
      return Array.from({ length: random.int(0, 4) }, () => json(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.int(0, 5) }, () => [odd(random, KEYS), json(random, depth + 1)]),
      );
  }
}

const KEYS = [
  "schemaVersion",
  "mediaType",
  "config",
  "layers",
  "manifests",
  "subject",
  "annotations",
  "artifactType",
  "digest",
  "size",
  "tag",
  "data",
  "platform",
] as const;

function descriptor(random: Random): unknown {
  if (random.chance(1 / 8)) return json(random);
  const at = random.int(0, CONTENTS.length);
  const size = random.chance(1 / 10) ? json(random) : (CONTENTS[at] ?? "").length;
  return { mediaType: odd(random, TYPES), digest: DIGESTS[at], size };
}

function manifest(random: Random): string {
  const parts: Record<string, unknown> = {
    schemaVersion: random.chance(1 / 10) ? json(random) : 2,
    mediaType: random.chance(1 / 10) ? json(random) : TYPES[random.int(0, 2)],
    config: descriptor(random),
    layers: Array.from({ length: random.int(0, 3) }, () => descriptor(random)),
  };
  if (random.chance(1 / 4)) parts.subject = descriptor(random);
  if (random.chance(1 / 4)) parts.manifests = [descriptor(random)];
  if (random.chance(1 / 4)) parts.annotations = json(random);
  if (random.chance(1 / 5)) parts[odd(random, KEYS)] = json(random);
  const text = JSON.stringify(parts);
  return random.chance(1 / 15) ? text.slice(0, random.int(0, text.length)) : text;
}

function body(random: Random): string {
  switch (random.int(0, 6)) {
    case 0:
      return JSON.stringify(json(random));
    case 1:
    case 2:
      return manifest(random);
    case 3:
      return JSON.stringify({
        layers: DIGESTS.slice(0, random.int(0, 3)),
        tag: odd(random, TAGS),
        config: json(random),
      });
    default:
      return random.pick(CONTENTS);
  }
}

/** JSON may have any character; on the wire it is UTF-8. */
const bytesOf = (text: string) =>
  Buffer.from(text, /[^\0-\xff]/.test(text) ? "utf8" : "latin1").toString("latin1");

export function makeRequest(random: Random): Request {
  const [path, methods] = target(random);
  const method = random.chance(1 / 8) ? random.pick(METHODS) : random.pick(methods);
  const sends = method === "PUT" || method === "POST" || method === "PATCH" || random.chance(1 / 30);
  const content = sends ? bytesOf(body(random)) : "";
  const head = [`${method} ${path}${query(random)} HTTP/1.1`, "Host: localhost", ...fields(random)];
  if (sends) {
    head.push(`Content-Type: ${odd(random, TYPES)}`);
    if (random.chance(1 / 6)) return { method, text: chunked(head, content) };
    // Longer than what follows would leave the server waiting, as it should: that is a test of timeouts.
    head.push(`Content-Length: ${content.length}`);
  }
  return { method, text: `${head.join("\r\n")}\r\n\r\n${content}` };
}

function chunked(head: readonly string[], content: string): string {
  const chunk = content === "" ? "" : `${content.length.toString(16)}\r\n${content}\r\n`;
  return `${[...head, "Transfer-Encoding: chunked"].join("\r\n")}\r\n\r\n${chunk}0\r\n\r\n`;
}
