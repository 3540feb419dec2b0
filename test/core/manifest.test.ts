import test from "ava";
import { LayerdError } from "../../src/core/errors.ts";
import { parseManifest } from "../../src/core/manifest.ts";
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  describe,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  PUSHED,
  sha256,
  sha512,
} from "./pushed-manifests.ts";

const bytesOf = (document: unknown) => new TextEncoder().encode(JSON.stringify(document));
const parse = (document: unknown, contentType?: string) => parseManifest(bytesOf(document), contentType);

const IMAGE = {
  schemaVersion: 2,
  config: describe(OCI_CONFIG, "config"),
  layers: [describe(OCI_LAYER, "a")],
};
const INDEX = { schemaVersion: 2, manifests: [describe(OCI_MANIFEST, "m")] };

/** What was found wrong: messages by path. */
function faultsOf(document: unknown, contentType?: string): Record<string, string> {
  try {
    parse(document, contentType);
  } catch (error) {
    if (!(error instanceof LayerdError) || error.code !== "MANIFEST_INVALID") throw error;
    const faults = error.detail as { path: string; message: string }[];
    return Object.fromEntries(faults.map(({ path, message }) => [path, message]));
  }
  return {};
}

for (const [name, { contentType, document, points, artifactType }] of Object.entries(PUSHED)) {
  test(`accepted: ${name}`, (t) => {
    const parsed = parse(document, contentType);
    t.is(parsed.mediaType, contentType);
    t.is(parsed.kind, "manifests" in document ? "index" : "image");
    t.deepEqual([parsed.blobs.length, parsed.foreignBlobs.length, parsed.manifests.length], [...points]);
    t.is(parsed.artifactType, artifactType);
  });
}

test("an image needs its config and its layers, in their order, each once", (t) => {
  const [a, b] = [describe(OCI_LAYER, "a"), describe(OCI_LAYER, "b")];
  const { blobs } = parse({ ...IMAGE, layers: [b, a, b] });
  t.deepEqual(blobs, [IMAGE.config, b, a] as unknown as typeof blobs);
});

test("one digest cannot have two sizes", (t) => {
  const layers = [describe(OCI_LAYER, "a", 10), describe(OCI_LAYER, "b", 10), describe(OCI_LAYER, "a", 11)];
  t.regex(faultsOf({ ...IMAGE, layers })["$.layers[2].size"] ?? "", /11 bytes, and 10/);
});

test("what the document says of itself is kept", (t) => {
  const subject = { ...describe(OCI_MANIFEST, "s"), digest: sha512("s") };
  const parsed = parse({ ...INDEX, subject, artifactType: "application/x", annotations: { "a b": "" } });
  t.deepEqual(parsed.subject, subject as typeof parsed.subject);
  t.is(parsed.artifactType, "application/x");
  t.deepEqual(parsed.annotations, { "a b": "" });
});

test("what the document does not say is absent", (t) => {
  const quiet = { ...INDEX, mediaType: "", artifactType: "", subject: null, annotations: null };
  t.deepEqual(Object.keys(parse(quiet, OCI_INDEX)).sort(), [
    "blobs",
    "content",
    "foreignBlobs",
    "kind",
    "manifests",
    "mediaType",
  ]);
});

test("an empty artifactType of an image gives way to its config's media type", (t) => {
  t.is(parse({ ...IMAGE, artifactType: "" }).artifactType, OCI_CONFIG);
});

test("a descriptor keeps the properties that are known", (t) => {
  const child = {
    ...describe(OCI_MANIFEST, "m"),
    artifactType: "application/x",
    urls: ["https://example.com/%20?a=[b]#c"],
    annotations: { a: "b" },
    platform: { architecture: "arm64", os: "linux", variant: "v8" },
  };
  const { manifests } = parse({ ...INDEX, manifests: [{ ...child, "com.example.unknown": {} }] });
  t.deepEqual(manifests, [child] as unknown as typeof manifests);
});

test("unknown properties are accepted wherever they are", (t) => {
  const extra = { "org.example": [{ deep: null }] };
  const config = { ...IMAGE.config, ...extra };
  t.deepEqual(faultsOf({ ...IMAGE, ...extra, config }), {});
  const platform = { architecture: "amd64", os: "linux", ...extra };
  t.deepEqual(
    faultsOf({ ...INDEX, manifests: [{ ...describe(OCI_MANIFEST, "m"), platform, ...extra }] }),
    {},
  );
});

test("null is as good as absent, but for what is required", (t) => {
  const nulls = { urls: null, annotations: null, data: null, artifactType: null, platform: null };
  const { blobs } = parse({ ...IMAGE, config: { ...IMAGE.config, ...nulls } });
  t.deepEqual(Object.keys(blobs[0] ?? {}).sort(), ["digest", "mediaType", "size"]);
  t.deepEqual(Object.keys(faultsOf({ ...IMAGE, config: null }, OCI_MANIFEST)), ["$.config"]);
  t.deepEqual(Object.keys(faultsOf({ ...IMAGE, config: { ...IMAGE.config, size: null } })), [
    "$.config.size",
  ]);
});

test("an image may have no layers at all", (t) => {
  t.is(parse({ schemaVersion: 2, config: IMAGE.config, layers: [] }).blobs.length, 1);
  t.is(parse({ schemaVersion: 2, config: IMAGE.config }).blobs.length, 1);
});

test("an index must have manifests, be they none", (t) => {
  t.deepEqual(parse({ schemaVersion: 2, manifests: [] }).manifests, []);
  t.deepEqual(Object.keys(faultsOf({ schemaVersion: 2 }, OCI_INDEX)), ["$.manifests"]);
});

test("an index may list indexes and Docker's manifests", (t) => {
  const types = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST.toUpperCase()];
  const { manifests } = parse({ ...INDEX, manifests: types.map((type) => describe(type, type)) });
  t.deepEqual(
    manifests.map(({ mediaType }) => mediaType),
    types,
  );
});

test("what an index lists of unknown types can only be blobs here", (t) => {
  const { blobs, manifests } = parse({ ...INDEX, manifests: [describe("application/x", "x")] });
  t.deepEqual([blobs.length, manifests.length], [1, 0]);
});

test("every fault is named, with its place", (t) => {
  const layers = [
    describe("layer", "a"),
    { ...describe(OCI_LAYER, "b"), size: "12", annotations: { "a b": 1 } },
    "c",
    { ...describe(OCI_LAYER, "d"), urls: ["https://a/", "b"] },
  ];
  const faults = faultsOf({ schemaVersion: 3, config: [], layers, annotations: [] }, OCI_MANIFEST);
  t.deepEqual(Object.keys(faults).sort(), [
    "$.annotations",
    "$.config",
    "$.layers[0].mediaType",
    '$.layers[1].annotations["a b"]',
    "$.layers[1].size",
    "$.layers[2]",
    "$.layers[3].urls[1]",
    "$.schemaVersion",
  ]);
});

test("of a thousand faults a hundred are told", (t) => {
  t.is(Object.keys(faultsOf({ ...IMAGE, layers: Array(1000).fill({}) })).length, 100);
});

for (const schemaVersion of [undefined, null, 0, "2", 2.5, 3]) {
  test(`schemaVersion ${JSON.stringify(schemaVersion)} is refused`, (t) => {
    t.deepEqual(Object.keys(faultsOf({ ...IMAGE, schemaVersion })), ["$.schemaVersion"]);
  });
}

for (const [name, document] of [
  ["null", null],
  ["a list", [IMAGE]],
  ["a string", "{}"],
] as const) {
  test(`${name} is no manifest`, (t) => {
    t.deepEqual(faultsOf(document, OCI_MANIFEST), { $: "expected an object" });
  });
}

test("duplicate keys are refused before anything else", (t) => {
  const text = `{"schemaVersion":2,"config":1,"config":${JSON.stringify(IMAGE.config)},"layers":[]}`;
  const error = t.throws(() => parseManifest(new TextEncoder().encode(text), OCI_MANIFEST), {
    instanceOf: LayerdError,
  });
  t.deepEqual(error?.detail, [{ path: "$.config", message: "the key is there twice" }]);
});

test("a document that is an image manifest and an index is neither", (t) => {
  const both = { ...IMAGE, ...INDEX };
  for (const contentType of [undefined, OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]) {
    t.regex(JSON.stringify(faultsOf(both, contentType)), /CVE-2021-41190/, contentType);
  }
  t.deepEqual(Object.keys(faultsOf(both, OCI_MANIFEST)), ["$.manifests"]);
  t.deepEqual(Object.keys(faultsOf(both, OCI_INDEX)).sort(), ["$.config", "$.layers"]);
});

test("null leaves no doubt about what a document is", (t) => {
  t.is(parse({ ...IMAGE, manifests: null }).kind, "image");
  t.is(parse({ ...INDEX, config: null, layers: null }).kind, "index");
});

test("an index of ten thousand platforms is accepted", (t) => {
  const platform = { architecture: "amd64", os: "linux" };
  const annotations = { a: "1", b: "2" };
  const child = (at: number) => ({ ...describe(OCI_MANIFEST, String(at)), platform, annotations });
  t.is(
    parse({ ...INDEX, manifests: Array.from({ length: 10_000 }, (_, at) => child(at)) }).manifests.length,
    10_000,
  );
});

test("annotations of almost 4 MiB are accepted", (t) => {
  const annotations = Object.fromEntries(
    Array.from({ length: 390 }, (_, at) => [`a${at}`, "A".repeat(10_000)]),
  );
  t.is(Object.keys(parse({ ...IMAGE, annotations }).annotations ?? {}).length, 390);
});

test("a sha512 manifest is accepted", (t) => {
  const layers = [{ ...describe(OCI_LAYER, "a"), digest: sha512("a") }];
  t.is(parse({ ...IMAGE, layers }).blobs[1]?.digest as string, sha512("a"));
});

test("a foreign layer may have a digest that cannot be checked here, and is then no concern of ours", (t) => {
  const mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar";
  const foreign = { ...describe(mediaType, "a"), digest: `blake3:${sha256("a").slice(7)}` };
  t.deepEqual(parse({ ...IMAGE, layers: [foreign] }).foreignBlobs, []);
});
