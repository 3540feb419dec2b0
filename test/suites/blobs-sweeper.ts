import { digestOf } from "../../src/core/digest.ts";
import { bytesOf, KiB, MiB, read, readBlob, sourceOf, store } from "../blobs/samples.ts";
import type { Define } from "./blobs.ts";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const SIZES = [0, KiB, 64 * KiB + 1, MiB];

/** What garbage collection and scrubbing do with blobs. */
export function testSweeping(blobs: Define): void {
  blobs("every blob is listed, of each algorithm", async (t, blobs) => {
    t.deepEqual(await all(blobs.list()), []);
    const digests = [];
    for (const [seed, size] of SIZES.entries()) {
      const algorithms = seed % 2 === 0 ? (["sha256"] as const) : (["sha512"] as const);
      digests.push((await store(blobs, bytesOf(seed, size), { algorithms })).digest);
    }
    digests.sort();
    t.deepEqual(await all(blobs.list()), digests);
    for (const [at, digest] of digests.entries()) {
      t.deepEqual(await all(blobs.list(digest)), digests.slice(at + 1));
    }
  });

  for (const size of SIZES) {
    blobs(`a blob of ${size} bytes that is discarded is not there, and can be restored`, async (t, blobs) => {
      const bytes = bytesOf(1, size);
      const { digest } = await store(blobs, bytes);
      t.deepEqual(await readBlob(blobs, digest), bytes);
      const before = Date.now();
      t.deepEqual(await blobs.discard(digest), { digest, size });
      const after = Date.now();
      t.is(await blobs.stat(digest), undefined);
      t.is(await blobs.open(digest), undefined);
      t.deepEqual(await all(blobs.list()), []);
      const [discarded, ...others] = await all(blobs.discarded());
      t.deepEqual(others, []);
      t.like(discarded, { digest, size });
      t.deepEqual(await blobs.peek(digest, 100), bytes.subarray(0, 100));
      t.deepEqual(await blobs.peek(digest, size), bytes);
      const at = discarded?.discardedAt.getTime() ?? 0;
      t.true(before <= at && at <= after, `${before} <= ${at} <= ${after}`);
      t.true(await blobs.restore(digest));
      t.deepEqual(await blobs.stat(digest), { digest, size });
      t.deepEqual(await readBlob(blobs, digest), bytes);
      t.deepEqual(await all(blobs.discarded()), []);
      t.false(await blobs.restore(digest));
    });
  }

  blobs("what is not there cannot be discarded, restored or purged", async (t, blobs) => {
    const digest = digestOf(bytesOf(1, 10));
    t.is(await blobs.discard(digest), undefined);
    t.false(await blobs.restore(digest));
    t.is(await blobs.peek(digest, 1), undefined);
    await t.notThrowsAsync(blobs.purge(digest));
  });

  blobs("an open handle outlives the discarding and the purging of its blob", async (t, blobs) => {
    for (const [seed, size] of SIZES.entries()) {
      const bytes = bytesOf(seed, size);
      const { digest } = await store(blobs, bytes);
      const handle = (await blobs.open(digest)) ?? t.fail();
      await blobs.discard(digest);
      await blobs.purge(digest);
      t.deepEqual(await read(handle), bytes);
      await handle.close();
      t.false(await blobs.restore(digest));
    }
  });

  blobs(
    "a blob that is stored again after it was discarded is there, and discarded again",
    async (t, blobs) => {
      const bytes = bytesOf(1, KiB);
      const { digest } = await store(blobs, bytes);
      for (let times = 0; times < 3; times += 1) {
        await blobs.discard(digest);
        await store(blobs, bytes);
        t.deepEqual(await readBlob(blobs, digest), bytes);
      }
      t.true(await blobs.restore(digest));
      t.deepEqual(await readBlob(blobs, digest), bytes);
      t.deepEqual(await all(blobs.discarded()), []);
    },
  );

  testInspecting(blobs);

  blobs("whoever commits is told the name before the blob is visible", async (t, blobs) => {
    const bytes = bytesOf(1, KiB);
    const upload = await blobs.begin();
    await upload.append(sourceOf(bytes), { at: 0 });
    const told: unknown[] = [];
    const stat = await upload.commit({
      naming: async (digest) => {
        told.push(digest, await blobs.stat(digest));
      },
    });
    t.deepEqual(told, [stat.digest, undefined]);
  });
}

function testInspecting(blobs: Define): void {
  blobs("what is not there cannot be inspected", async (t, blobs) => {
    t.is(await blobs.inspect(digestOf(bytesOf(1, 10))), undefined);
  });

  for (const size of SIZES) {
    blobs(`a blob of ${size} bytes in quarantine is not there until it is stored anew`, async (t, blobs) => {
      const bytes = bytesOf(1, size);
      const { digest } = await store(blobs, bytes);
      t.deepEqual(await readBlob(blobs, digest), bytes);
      for (let times = 0; times < 2; times += 1) {
        const { handle, quarantine } = (await blobs.inspect(digest)) ?? t.fail();
        t.is(handle.size, size);
        t.truthy(await quarantine());
        t.is(await blobs.stat(digest), undefined);
        t.is(await blobs.open(digest), undefined);
        t.deepEqual(await all(blobs.list()), []);
        t.deepEqual(await all(blobs.discarded()), []);
        t.false(await blobs.restore(digest));
        t.false(await quarantine());
        t.deepEqual(await read(handle), bytes);
        await handle.close();
        await store(blobs, bytes);
        t.deepEqual(await readBlob(blobs, digest), bytes);
      }
    });

    blobs(
      `a blob of ${size} bytes that was stored anew stays, whoever inspected it before`,
      async (t, blobs) => {
        const bytes = bytesOf(1, size);
        const { digest } = await store(blobs, bytes);
        const { handle, quarantine } = (await blobs.inspect(digest)) ?? t.fail();
        await store(blobs, bytes);
        t.false(await quarantine());
        await handle.close();
        t.deepEqual(await readBlob(blobs, digest), bytes);
      },
    );
  }
}
