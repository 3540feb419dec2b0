import test from "ava";
import { contentDescriptor, descriptor } from "../../src/core/descriptor-schema.ts";
import { OCI_LAYER, sha256, sha512 } from "./pushed-manifests.ts";

const HEX = sha256("").slice("sha256:".length);
const FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
const VALID = { mediaType: OCI_LAYER, digest: sha256("hello"), size: 5 };

/** Where it is at fault. */
function faults(change: object, schema: typeof descriptor | typeof contentDescriptor = descriptor): string[] {
  const { error } = schema.safeParse({ ...VALID, ...change });
  return (error?.issues ?? []).map(({ path }) => path.join("/"));
}

const long = "a".repeat(127);
for (const mediaType of [
  "a/b",
  "application/vnd.x!#$&^_.+-y",
  "1/2",
  `${long}/${long}`,
  'text/x; a="b c";d=e',
]) {
  test(`media type: ${mediaType.slice(0, 40)}`, (t) => t.deepEqual(faults({ mediaType }), []));
}

for (const mediaType of [
  "",
  "a",
  "a/",
  "/b",
  ".a/b",
  "a/.b",
  "a/b/c",
  "a b/c",
  `${long}a/b`,
  `a/${long}a`,
  null,
  1,
]) {
  test(`no media type: ${JSON.stringify(mediaType)?.slice(0, 40)}`, (t) => {
    t.deepEqual(faults({ mediaType }), ["mediaType"]);
  });
}

for (const parameters of [
  ";",
  "; a",
  ";=b",
  ";a=",
  ';a="b',
  ";a=b\r\nc: d",
  ";a=é",
  " ".repeat(1e6),
  ";a=b".repeat(1e6),
]) {
  test(`no parameters of a media type: ${JSON.stringify(parameters).slice(0, 30)}`, (t) => {
    t.deepEqual(faults({ mediaType: `text/plain${parameters}` }), ["mediaType"]);
  });
}

for (const digest of [sha256("x"), sha512("x")]) {
  test(`${digest.slice(0, 6)} is a digest that can be held here`, (t) => t.deepEqual(faults({ digest }), []));
}

// Of image-spec descriptor.md §Digests and the tests of its schema.
const unsupported = [
  `blake3:${HEX}`,
  `sha256+b64:${HEX}`,
  `sha256+foo-bar:${HEX}`,
  `sha256.foo-bar:${HEX}`,
  "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
  "sha256+b64u.unknownlength:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=",
  "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
];
for (const digest of unsupported) {
  test(`${digest.slice(0, 30)} is a digest, but of nothing that can be held here`, (t) => {
    t.deepEqual(faults({ digest }), ["digest"]);
    t.deepEqual(faults({ digest }, contentDescriptor), ["digest"]);
    t.deepEqual(faults({ digest, mediaType: FOREIGN }, contentDescriptor), []);
  });
}

for (const digest of [
  "",
  "sha256",
  "sha256:",
  `:${HEX}`,
  `SHA256:${HEX}`,
  `sha256:${HEX.toUpperCase()}`,
  `sha256:${HEX.slice(1)}`,
  `sha256:${HEX}0`,
  `sha512:${HEX}`,
  `blake3:${HEX}0`,
  `sha256+foo+-b:${HEX}`,
  `sha256::${HEX}`,
  ` sha256:${HEX}`,
  `sha256:${HEX}\n`,
  `${"a.".repeat(1e6)}:b`,
  null,
]) {
  test(`no digest: ${JSON.stringify(digest).slice(0, 9)}…${JSON.stringify(digest).slice(-4)}`, (t) => {
    t.deepEqual(faults({ digest }), ["digest"]);
    t.deepEqual(faults({ digest, mediaType: FOREIGN }, contentDescriptor), ["digest"]);
  });
}

for (const size of [0, 1, Number.MAX_SAFE_INTEGER]) {
  test(`size: ${size}`, (t) => t.deepEqual(faults({ size }), []));
}

for (const size of [-1, 1.5, 2 ** 53, Number.POSITIVE_INFINITY, "5", null, undefined]) {
  test(`no size: ${size}`, (t) => t.deepEqual(faults({ size }), ["size"]));
}

for (const url of ["https://example.com/a", "ftp://h/%20", "urn:oci:x", "http://[::1]:80/?q=(a)#f"]) {
  test(`URI: ${url}`, (t) => t.deepEqual(faults({ urls: [url] }), []));
}

for (const url of [
  "",
  "value",
  "/a",
  "://x",
  "1http://x",
  "http://a b",
  "http://a/%2",
  "http://a/é",
  "http://a/\n",
  1,
]) {
  test(`no URI: ${JSON.stringify(url)}`, (t) => t.deepEqual(faults({ urls: [url] }), ["urls/0"]));
}

test("annotations are strings", (t) => {
  t.deepEqual(faults({ annotations: {} }), []);
  t.deepEqual(faults({ annotations: { "": "", a: "b" } }), []);
  t.deepEqual(faults({ annotations: { a: null, b: 1, c: "" } }), ["annotations/a", "annotations/b"]);
  t.deepEqual(faults({ annotations: ["a"] }), ["annotations"]);
  t.deepEqual(faults({ annotations: "a" }), ["annotations"]);
});

test("artifactType is a media type without parameters", (t) => {
  t.deepEqual(faults({ artifactType: "application/x" }), []);
  t.deepEqual(faults({ artifactType: "foo/.bar" }), ["artifactType"]);
  t.deepEqual(faults({ artifactType: "text/plain; charset=utf-8" }), ["artifactType"]);
});

test("data is the content itself", (t) => {
  t.deepEqual(faults({ data: "aGVsbG8=" }), []);
  t.deepEqual(faults({ data: "aGVsbG8=", digest: sha512("hello") }), []);
  t.deepEqual(faults({ data: "", digest: sha256(""), size: 0 }), []);
});

for (const [name, change] of [
  ["without its padding", { data: "aGVsbG8" }],
  ["in the URL alphabet", { data: "_-__", size: 3 }],
  ["with a line break", { data: "aGVs\nbG8=" }],
  ["of another size", { data: "aGVsbG8=", size: 6 }],
  ["of another digest", { data: "aGVsbG9=" }],
  ["of other bytes", { data: "aGVsbGE=" }],
  ["that is no string", { data: 5 }],
] as const) {
  test(`data ${name} is refused`, (t) => t.deepEqual(faults(change), ["data"]));
}

test("a platform has an architecture and an os, and may say more", (t) => {
  const platform = { architecture: "unknown", os: "" };
  t.deepEqual(faults({ platform }), []);
  t.deepEqual(faults({ platform: { ...platform, variant: null, "os.features": null, features: null } }), []);
  t.deepEqual(faults({ platform: {} }), ["platform/architecture", "platform/os"]);
  t.deepEqual(faults({ platform: { ...platform, "os.version": 10 } }), ["platform/os.version"]);
  t.deepEqual(faults({ platform: { ...platform, "os.features": ["a", 1] } }), ["platform/os.features/1"]);
  t.deepEqual(faults({ platform: "linux/amd64" }), ["platform"]);
});
