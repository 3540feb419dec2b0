import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { ContentFile, SyntheticLayers } from "../../bench/toolkit/content.ts";

const MIB = 1024 * 1024;

function sha256(bytes: Iterable<Buffer>): string {
  const hash = createHash("sha256");
  for (const chunk of bytes) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

for (const size of [1024, MIB, 2 * MIB + 1024]) {
  test(`a content file of ${size} bytes has the digest it claims, a new one each time`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "layerd-test-"));
    t.teardown(() => rm(directory, { recursive: true }));
    const content = await ContentFile.create(join(directory, "content"), size);
    const first = content.digest;
    t.is(sha256([await readFile(content.path)]), first);
    await content.renew();
    const bytes = await readFile(content.path);
    t.is(bytes.length, size);
    t.is(sha256([bytes]), content.digest);
    t.not(content.digest, first);
  });
}

test("a synthetic layer has the digest and the size it claims, and no other has it", (t) => {
  const layers = new SyntheticLayers(2 * MIB);
  const [one, other] = [layers.next(), layers.next()];
  const chunks = [...one.chunks()];
  t.is(Buffer.concat(chunks).length, one.size);
  t.is(sha256(chunks), one.digest);
  t.not(one.digest, other.digest);
});
