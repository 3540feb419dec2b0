import type { S3BlobStore } from "../../src/blobs/s3/store.ts";
import { digestOf } from "../../src/core/digest.ts";
import { isLayerdError } from "../../src/core/errors.ts";
import { testS3 } from "./s3-samples.ts";
import { bytesOf, KiB, readBlob, store } from "./samples.ts";

const later = () => new Date(Date.now() + 60_000);
const CONTENTS = [bytesOf(1, 100), bytesOf(2, 100), bytesOf(3, 100 * KiB)];

/** What a server may do with a blob at any moment. Sweeping takes everything for old, uploads under way included. */
const ACTIONS: readonly ((blobs: S3BlobStore, bytes: Buffer) => Promise<unknown>)[] = [
  store,
  store,
  (blobs, bytes) => blobs.discard(digestOf(bytes)),
  (blobs, bytes) => blobs.restore(digestOf(bytes)),
  (blobs, bytes) => blobs.purge(digestOf(bytes)),
  async (blobs, bytes) => await (await blobs.inspect(digestOf(bytes)))?.quarantine(),
  (blobs) => blobs.sweepOrphans(later()),
];

testS3(
  "many servers that store, discard, restore and sweep the same blobs leave each whole or away",
  async (t, place) => {
    const stores = await Promise.all([place.open(), place.open(), place.open()]);
    let state = 1;
    const random = (below: number) => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
    let wrong = 0;
    const worker = async (blobs: S3BlobStore) => {
      for (let i = 0; i < 40; i += 1) {
        const bytes = pick(CONTENTS);
        try {
          await pick(ACTIONS)(blobs, bytes);
          if ((await blobs.stat(digestOf(bytes))) === undefined) continue;
          if (!(await readBlob(blobs, digestOf(bytes))).equals(bytes)) wrong += 1;
        } catch (error) {
          // It was swept, or discarded since it was looked at.
          if (!isLayerdError(error, "UNAVAILABLE") && !/^no blob /.test((error as Error).message))
            throw error;
        }
      }
    };
    await Promise.all(stores.flatMap((blobs) => [worker(blobs), worker(blobs), worker(blobs)]));
    t.is(wrong, 0);

    const [blobs] = await Promise.all([place.open(), ...stores.map((one) => one.close())]);
    await blobs.sweepOrphans(later());
    const rows = await place.rows("select key, state from blob_objects order by key");
    t.deepEqual(
      await place.keys(),
      rows.map(({ key }) => key),
    );
    t.deepEqual(
      rows.filter(({ state }) => state === "writing" || state === "garbage"),
      [],
    );
    for (const bytes of CONTENTS) {
      const there =
        (await blobs.stat(digestOf(bytes))) !== undefined || (await blobs.restore(digestOf(bytes)));
      if (there) t.true((await readBlob(blobs, digestOf(bytes))).equals(bytes));
    }
  },
);
