import test from "ava";
import fc from "fast-check";
import { DIGEST_ALGORITHMS, type Digest } from "../../src/core/digest.ts";
import { DigestSet } from "../../src/registry/gc/digest-set.ts";

const LENGTH = { sha256: 64, sha512: 128 } as const;

const digests = fc.constantFrom(...DIGEST_ALGORITHMS).chain((algorithm) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), {
      minLength: LENGTH[algorithm],
      maxLength: LENGTH[algorithm],
    })
    .map((hex) => `${algorithm}:${hex.join("")}` as Digest),
);

test("a set of digests is a set", (t) => {
  fc.assert(
    fc.property(fc.array(digests), fc.array(digests), (some, others) => {
      const set = new DigestSet();
      const model = new Set<Digest>();
      for (const digest of [...some, ...some]) {
        t.is(set.add(digest), !model.has(digest));
        model.add(digest);
      }
      t.is(set.size, model.size);
      for (const digest of [...some, ...others]) t.is(set.has(digest), model.has(digest));
    }),
  );
});

test("many digests that begin alike are told apart", (t) => {
  const set = new DigestSet();
  const digest = (n: number) => `sha256:${"0".repeat(24)}${n.toString(16).padStart(40, "0")}` as Digest;
  const alike = (n: number) =>
    `sha256:${"0".repeat(24)}${n.toString(16).padStart(8, "0")}${"0".repeat(32)}` as Digest;
  t.true(set.add(digest(1)));
  for (let n = 1; n < 500; n += 1) t.true(set.add(alike(n)));
  for (let n = 1; n < 500; n += 1) t.true(set.has(alike(n)));
  t.false(set.has(alike(500)));
  t.is(set.size, 500);
});
