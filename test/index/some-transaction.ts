import fc from "fast-check";
import type { Change, Requirement, Transaction } from "../../src/index/port.ts";
import { digest, tag } from "./samples.ts";

export const DIGESTS = Array.from({ length: 6 }, (_, at) => digest(at));
export const TAGS = ["a", "B", "a-b", "_"].map(tag);
export const TYPES = ["o/p", "q/r"];

const someDigest = fc.constantFrom(...DIGESTS);
const someTag = fc.constantFrom(...TAGS);

const someChange: fc.Arbitrary<Change> = fc.oneof(
  fc.record(
    {
      type: fc.constant("blobLinked" as const),
      digest: someDigest,
      size: fc.constantFrom(1, 5_000_000_000),
      mediaType: fc.constantFrom("a/b", "c/d"),
      name: fc.constantFrom("plain.tar", 'ä "\n\u2028'),
    },
    { requiredKeys: ["type", "digest", "size", "mediaType"] },
  ),
  fc.record({ type: fc.constant("blobUnlinked" as const), digest: someDigest }),
  fc.record({
    type: fc.constant("blobUnpacked" as const),
    digest: someDigest,
    unpacked: fc.record({ diffId: someDigest, size: fc.nat(9) }),
  }),
  fc.record({
    type: fc.constant("manifestPut" as const),
    manifest: fc.record(
      {
        digest: someDigest,
        size: fc.nat(9),
        mediaType: fc.constant("m/n"),
        artifactType: fc.constantFrom(...TYPES),
        blobs: fc.array(someDigest, { maxLength: 3 }),
        manifests: fc.array(someDigest, { maxLength: 2 }),
        subject: someDigest,
        annotations: fc.dictionary(fc.constantFrom("k", "l"), fc.string(), { noNullPrototype: true }),
      },
      { requiredKeys: ["digest", "size", "mediaType", "blobs"] },
    ),
  }),
  fc.record({ type: fc.constant("manifestDeleted" as const), digest: someDigest }),
  fc.record({ type: fc.constant("tagSet" as const), tag: someTag, digest: someDigest }),
  fc.record({ type: fc.constant("tagDeleted" as const), tag: someTag }),
);

const someRequirement: fc.Arbitrary<Requirement> = fc.oneof(
  fc.record({ type: fc.constant("blobsLinked" as const), digests: fc.array(someDigest, { maxLength: 2 }) }),
  fc.record({ type: fc.constant("blobLinked" as const), digest: someDigest }),
  fc.record({ type: fc.constant("blobUnused" as const), digest: someDigest }),
  fc.record({ type: fc.constant("manifestPresent" as const), digest: someDigest }),
  fc.record({
    type: fc.constant("manifestsPresent" as const),
    digests: fc.array(someDigest, { maxLength: 2 }),
  }),
  fc.record({ type: fc.constant("tagPresent" as const), tag: someTag }),
  fc.record({ type: fc.constant("tagAt" as const), tag: someTag, digest: fc.option(someDigest) }),
  fc.record({
    type: fc.constant("tagAmong" as const),
    tag: someTag,
    digests: fc.oneof(fc.constant("any" as const), fc.array(someDigest, { maxLength: 3 })),
  }),
  fc.record({ type: fc.constant("manifestUnneeded" as const), digest: someDigest }),
  fc.record({
    type: fc.constant("noTagsBut" as const),
    digest: someDigest,
    tags: fc.array(someTag, { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant("tagsNotMoved" as const),
    tags: fc.array(someTag, { maxLength: 3 }),
    to: someDigest,
  }),
);

/** Any transaction over six digests and four tags: small enough for everything to meet everything. */
export const someTransaction: fc.Arbitrary<Transaction> = fc.record({
  who: fc.constantFrom("ann", "bob"),
  changes: fc.array(someChange, { minLength: 0, maxLength: 4 }),
  requires: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(someRequirement, { maxLength: 2 }) },
  ),
});
