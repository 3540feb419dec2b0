import test from "ava";
import { LayerdError } from "../../src/core/errors.ts";
import { parseManifest } from "../../src/core/manifest.ts";
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  describe,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from "./pushed-manifests.ts";

const IMAGE = { schemaVersion: 2, config: describe(OCI_CONFIG, "config"), layers: [] };
const INDEX = { schemaVersion: 2, manifests: [] };

function typeOf(document: object, contentType?: string): string {
  return parseManifest(new TextEncoder().encode(JSON.stringify(document)), contentType).mediaType;
}

/** The one fault, as `path: message`. */
function refusal(document: object, contentType?: string): string {
  try {
    return `accepted as ${typeOf(document, contentType)}`;
  } catch (error) {
    if (!(error instanceof LayerdError) || error.code !== "MANIFEST_INVALID") throw error;
    return error.message;
  }
}

test("a manifest is what the Content-Type says", (t) => {
  t.is(typeOf(IMAGE, DOCKER_MANIFEST), DOCKER_MANIFEST);
  t.is(typeOf(INDEX, DOCKER_LIST), DOCKER_LIST);
});

test("parameters and case of the Content-Type do not matter", (t) => {
  t.is(
    typeOf({ ...IMAGE, mediaType: OCI_MANIFEST }, ` ${OCI_MANIFEST.toUpperCase()} ; charset=utf-8`),
    OCI_MANIFEST,
  );
});

test("case of the document's mediaType does not matter", (t) => {
  t.is(typeOf({ ...IMAGE, mediaType: OCI_MANIFEST.toUpperCase() }, OCI_MANIFEST), OCI_MANIFEST);
});

for (const contentType of [
  undefined,
  "",
  "application/json; charset=utf-8",
  "application/octet-stream",
  "application/x-www-form-urlencoded",
  "text/plain;charset=UTF-8",
]) {
  test(`with Content-Type ${JSON.stringify(contentType)} the document's mediaType decides`, (t) => {
    t.is(typeOf({ ...IMAGE, mediaType: DOCKER_MANIFEST }, contentType), DOCKER_MANIFEST);
  });

  test(`with Content-Type ${JSON.stringify(contentType)} and no mediaType the shape decides`, (t) => {
    t.is(typeOf(IMAGE, contentType), OCI_MANIFEST);
    t.is(typeOf(INDEX, contentType), OCI_INDEX);
  });
}

test("a document of no known shape is refused", (t) => {
  t.regex(refusal({ schemaVersion: 2 }), /^\$: neither an image manifest/);
});

test("a Content-Type that the document contradicts is refused", (t) => {
  const fault = refusal({ ...IMAGE, mediaType: DOCKER_MANIFEST }, OCI_MANIFEST);
  t.is(fault, `$.mediaType: it says ${DOCKER_MANIFEST}, and the Content-Type says ${OCI_MANIFEST}`);
});

test("a mediaType that the shape contradicts is refused", (t) => {
  t.regex(
    refusal({ ...IMAGE, mediaType: OCI_INDEX }),
    /^\$\.manifests: .*\$\.config: an index has no config/s,
  );
  t.regex(refusal({ ...INDEX, mediaType: OCI_MANIFEST }), /^\$\.config: .*\$\.manifests: an image manifest/s);
});

test("a mediaType that is no string is refused", (t) => {
  t.regex(refusal({ ...IMAGE, mediaType: 7 }, OCI_MANIFEST), /^\$\.mediaType: /);
});

for (const type of [
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
]) {
  test(`${type} is refused with what to do`, (t) => {
    t.regex(refusal(IMAGE, type), /^Content-Type: .*schema 1 .*skopeo copy/);
    t.regex(refusal({ ...IMAGE, mediaType: type }), /^\$\.mediaType: .*schema 1 .*skopeo copy/);
  });
}

test("a body of schema 1 is refused with what to do, whatever it is called", (t) => {
  const schema1 = {
    schemaVersion: 1,
    name: "library/x",
    tag: "latest",
    fsLayers: [],
    history: [],
    signatures: [],
  };
  for (const contentType of [undefined, "application/json", DOCKER_MANIFEST, OCI_MANIFEST]) {
    t.regex(refusal(schema1, contentType), /^\$\.schemaVersion: .*schema 1 .*skopeo copy/);
  }
  t.regex(refusal({ ...IMAGE, fsLayers: [] }), /schema 1/);
});

test("the artifact manifest that was never released is refused with what to do", (t) => {
  t.regex(
    refusal(IMAGE, "application/vnd.oci.artifact.manifest.v1+json"),
    /image manifest .*with artifactType/,
  );
});

for (const type of [
  "application/xml",
  "application/vnd.cncf.helm.config.v1+json",
  "constructor",
  "a".repeat(10_000),
]) {
  test(`${type.slice(0, 50)} is refused with a list of what is accepted`, (t) => {
    for (const fault of [refusal(IMAGE, type), refusal({ ...IMAGE, mediaType: type })]) {
      t.regex(fault, /is not accepted; these are: /);
      for (const accepted of [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])
        t.true(fault.includes(accepted));
    }
  });
}
