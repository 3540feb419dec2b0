import test from "ava";
import { digestOf } from "../../src/core/digest.ts";
import type { Descriptor } from "../../src/core/image.ts";
import type { ParsedManifest } from "../../src/core/manifest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import { parseRepositoryName, parseTag } from "../../src/core/name.ts";
import { compileRules, mediaTypesOf, type RepositoryRule } from "../../src/core/rules.ts";

const DEFAULTS = { maxBlobSize: 1000, maxManifestSize: 100, sparse: false };

function rulesFor(repository: string, rules: readonly RepositoryRule[]) {
  return compileRules(rules, DEFAULTS).for(parseRepositoryName(repository));
}

test("without rules everything is allowed, up to the general limits", (t) => {
  const rules = rulesFor("team/app", []);
  t.like(rules, { readOnly: false, maxBlobSize: 1000, maxManifestSize: 100, sparse: false });
  t.false(rules.isImmutable(parseTag("v1")));
  t.true(rules.allows("text/plain"));
});

test("a rule holds for the repositories that it names, and for no others", (t) => {
  const rule = { repositories: ["team/*", "tools/**", "!tools/sandbox"], readOnly: true };
  const names = ["team/app", "team/a/b", "tools/a/b", "tools/sandbox", "tools"];
  t.deepEqual(
    names.filter((name) => rulesFor(name, [rule]).readOnly),
    ["team/app", "tools/a/b"],
  );
});

test("a later rule overrides what it says, and leaves the rest", (t) => {
  const rules = [
    { repositories: ["**"], readOnly: true, maxBlobSize: 10, immutableTags: ["*"] },
    { repositories: ["team/**"], readOnly: false, maxManifestSize: 20 },
    { repositories: ["team/app"], immutableTags: [], sparse: true },
  ];
  const { isImmutable, allows: _, ...app } = rulesFor("team/app", rules);
  const kept = { keepTags: "all", keepUntagged: Number.POSITIVE_INFINITY, keepUnused: undefined };
  t.deepEqual(app, { readOnly: false, maxBlobSize: 10, maxManifestSize: 20, sparse: true, ...kept });
  t.false(isImmutable(parseTag("v1")));
  t.true(rulesFor("team/other", rules).isImmutable(parseTag("v1")));
  t.like(rulesFor("elsewhere", rules), { readOnly: true, maxManifestSize: 100 });
});

test("what a rule says of tags overrides what an earlier one says, as a whole", (t) => {
  const rules = [
    { repositories: ["**"], keepTags: { newest: 10, matching: ["v*"] } },
    { repositories: ["team/**"], keepTags: { youngerThan: 1000 } },
    { repositories: ["team/app"], keepTags: "all" as const },
  ];
  t.deepEqual(rulesFor("elsewhere", rules).keepTags, { newest: 10, matching: ["v*"] });
  t.deepEqual(rulesFor("team/other", rules).keepTags, { youngerThan: 1000 });
  t.is(rulesFor("team/app", rules).keepTags, "all");
});

test("an earlier rule does not win by being more specific", (t) => {
  const rules = [
    { repositories: ["team/app"], maxBlobSize: 1 },
    { repositories: ["**"], maxBlobSize: 2 },
  ];
  t.is(rulesFor("team/app", rules).maxBlobSize, 2);
});

test("a rule can allow larger blobs than the general limit", (t) => {
  t.is(rulesFor("a", [{ repositories: ["a"], maxBlobSize: 5000 }]).maxBlobSize, 5000);
});

test("those tags are immutable that the patterns fit", (t) => {
  const { isImmutable } = rulesFor("a", [{ repositories: ["a"], immutableTags: ["v*", "!v0.*"] }]);
  t.deepEqual(["v1.0", "v0.1", "V1", "latest"].map(parseTag).filter(isImmutable), [parseTag("v1.0")]);
});

test("media types are compared without their parameters and case", (t) => {
  const { allows } = rulesFor("a", [
    { repositories: ["a"], mediaTypes: ["Text/Plain", "application/*+json"] },
  ]);
  t.true(allows("text/plain; charset=utf-8"));
  t.true(allows("application/vnd.OCI.empty.v1+JSON"));
  t.false(allows("text/plainer"));
  t.false(allows("application/octet-stream; a=b+json"));
});

function descriptor(mediaType: string, content = mediaType): Descriptor {
  return { mediaType, digest: digestOf(Buffer.from(content)), size: content.length };
}

function manifest(parts: Partial<ParsedManifest>): ParsedManifest {
  const nothing = { content: [], blobs: [], foreignBlobs: [], manifests: [] };
  return { kind: "image", mediaType: MEDIA_TYPE.manifest, ...nothing, ...parts };
}

test("a manifest has the media types of itself, its config and its layers", (t) => {
  const content = [
    descriptor(MEDIA_TYPE.config),
    descriptor(MEDIA_TYPE.tarGzip),
    descriptor(MEDIA_TYPE.tarGzip, "2"),
  ];
  t.deepEqual(mediaTypesOf(manifest({ artifactType: MEDIA_TYPE.config, content })), [
    MEDIA_TYPE.manifest,
    MEDIA_TYPE.config,
    MEDIA_TYPE.tarGzip,
  ]);
});

test("the empty blob of an artifact needs no permission, its artifactType does", (t) => {
  const content = [descriptor(MEDIA_TYPE.empty, "{}"), descriptor("text/plain")];
  t.deepEqual(mediaTypesOf(manifest({ artifactType: "application/x.sbom", content })), [
    MEDIA_TYPE.manifest,
    "application/x.sbom",
    "text/plain",
  ]);
});

test("a blob that only claims to be empty needs permission", (t) => {
  t.true(mediaTypesOf(manifest({ content: [descriptor(MEDIA_TYPE.empty, "?")] })).includes(MEDIA_TYPE.empty));
});

test("an index has the media types of what it lists; a subject does not count", (t) => {
  const index = manifest({
    kind: "index",
    mediaType: MEDIA_TYPE.index,
    content: [
      descriptor(MEDIA_TYPE.dockerManifest),
      descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    ],
    subject: descriptor(MEDIA_TYPE.manifest),
  });
  t.deepEqual(mediaTypesOf(index).sort(), [
    MEDIA_TYPE.dockerManifest,
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    MEDIA_TYPE.index,
  ]);
});
