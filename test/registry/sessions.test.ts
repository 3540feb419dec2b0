import { Readable } from "node:stream";
import test, { type ExecutionContext } from "ava";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import type { BeginOptions } from "../../src/blobs/port.ts";
import { createLocalCluster } from "../../src/cluster/local.ts";
import { digestOf } from "../../src/core/digest.ts";
import { LayerdError } from "../../src/core/errors.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import { compileRules } from "../../src/core/rules.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import { createRegistry } from "../../src/registry/registry.ts";

/* What happens while a session becomes an upload: a moment that HTTP cannot be made to hit. */

const place = { repository: parseRepositoryName("team/app"), who: "ann" };
const bytes = (text: string) => ({ stream: Readable.from([Buffer.from(text)], { objectMode: false }) });
const anywhere = { at: undefined, length: undefined };

/** Sessions on a store that begins no upload before `gate` resolves. */
function openSessions(t: ExecutionContext, gate: () => Promise<void>) {
  const blobs = createMemoryBlobs({ limit: 1_000_000 });
  const begin = blobs.begin.bind(blobs);
  const slow = Object.assign(blobs, { begin: (options?: BeginOptions) => gate().then(() => begin(options)) });
  const registry = createRegistry(
    { blobs: slow, index: createMemoryIndex(), cluster: createLocalCluster() },
    {
      rules: compileRules([], { maxBlobSize: 1_000_000, maxManifestSize: 1_000_000, sparse: false }),
      uploadTtl: 60_000,
      scrub: { background: undefined },
      gc: { interval: undefined, grace: 60_000, trashTtl: 60_000 },
      unpack: { maxSize: 1_000_000, timeout: 1000 },
      onError: (error) => t.log(error),
    },
  );
  t.teardown(() => registry.close());
  return registry.sessions;
}

test("a session is known while its first part makes an upload of it", async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const sessions = openSessions(t, () => promise);
  const id = await sessions.open(place);
  const appending = sessions.append(place, id, bytes("con"), anywhere);
  t.is(await sessions.offset(place, id), 0);
  const late = sessions.append(place, id, bytes("late"), { at: 4, length: 4 });
  await t.throwsAsync(late, { message: /offset 0, not 4/ });
  resolve();
  t.is((await appending).offset, 3);
  t.is(await sessions.offset(place, id), 3);
});

test("a session outlives a store that cannot take its first part", async (t) => {
  let full = true;
  const sessions = openSessions(t, async () => {
    if (full) throw new LayerdError("STORE_FULL");
  });
  const id = await sessions.open(place);
  await t.throwsAsync(sessions.append(place, id, bytes("con"), anywhere), { message: /no room/ });
  full = false;
  t.is((await sessions.append(place, id, bytes("con"), anywhere)).offset, 3);
});

test("a session cancelled while its first part makes an upload of it is gone", async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const sessions = openSessions(t, () => promise);
  const id = await sessions.open(place);
  const appending = sessions.append(place, id, bytes("con"), anywhere).catch(() => undefined);
  const cancelling = sessions.cancel(place, id);
  resolve();
  await Promise.all([appending, cancelling]);
  await t.throwsAsync(sessions.offset(place, id), { message: /no such upload/ });
});

test("a last part that comes while the first one makes an upload goes behind it", async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const sessions = openSessions(t, () => promise);
  const id = await sessions.open(place);
  const appending = sessions.append(place, id, bytes("con"), anywhere);
  const digest = digestOf(Buffer.from("content"));
  const finishing = appending.then(() =>
    sessions.finish(place, id, bytes("tent"), { at: 3, length: 4, digest }),
  );
  resolve();
  t.is((await finishing).digest, digest);
  await t.throwsAsync(sessions.offset(place, id), { message: /no such upload/ });
});
