import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { openControl } from "../../src/cli/operations/control.ts";
import type { Operations } from "../../src/cli/operations/operations.ts";
import type { Source } from "../../src/create.ts";
import { bytesOf } from "../blobs/samples.ts";
import { Client } from "../http/v2/client.ts";
import { startServer, storedBlobs } from "../tools/server.ts";
import { run, start } from "./command.ts";
import { contentOf, lines, placeForStores } from "./stores.ts";

/* A server of this process whose source can be stopped in the middle. */

/** @returns a source that gives nothing from the count-th blob on, and a promise of when that is */
function stopping(source: Source, count: number) {
  let asked = 0;
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const bytes: Source["bytes"] = async (digest) => {
    asked += 1;
    if (asked >= count) {
      reached.resolve();
      await opened.promise;
    }
    return await source.bytes(digest);
  };
  return { source: { ...source, bytes }, reached: reached.promise, goOn: opened.resolve };
}

const COUNT = 300;

test("a copy that is killed in the middle leaves nothing half done, and goes on when it is begun again", async (t) => {
  const place = await placeForStores(t);
  const { layerd, url, data, stop } = await startServer(t, { data: place("old"), durability: "os" });
  const app = new Client(url);
  const seeds = Array.from({ length: COUNT }, (_, at) => at);
  for (const seed of seeds) await app.pushBlob(bytesOf(seed, 20_000 + seed));
  const { source, reached, goOn } = stopping(layerd.registry.source, 250);
  const control = await openControl(data, { source } as unknown as Operations);
  const { child, ended } = start(t, ["migrate-store", "--from", data, "--to", place("new")]);
  await reached;
  child.kill("SIGKILL");
  t.is((await ended).code, null);
  goOn();
  await control?.close();
  await stop();
  const there = await storedBlobs(place("new"));
  t.true(there.length > 200 && there.length < COUNT, `${there.length} blobs`);
  const again = await run(t, ["migrate-store", "--from", data, "--to", place("new"), "--json"]);
  t.is(again.code, 0, again.stderr);
  const { moved } = lines(again.stdout).at(-1);
  // Of the two pages, the first was there. What was linked was not linked again, and what was there was not copied again.
  t.like(moved, { blobs: 200, copied: COUNT - there.length, repositories: 0, sourceChanged: false });
  t.deepEqual(await contentOf({ data: place("new") }), await contentOf({ data }));
  t.deepEqual(await readdir(join(place("new"), "uploads")), []);
  t.is((await run(t, ["scrub", "--data", place("new")])).code, 0);
});

test("what is pushed, moved and deleted while a pass runs is told, and comes whole with the next one", async (t) => {
  const place = await placeForStores(t);
  const { layerd, url, data, stop } = await startServer(t, { data: place("old") });
  const app = new Client(url);
  await app.pushImage("first", { tag: "v1" });
  const doomed = await app.pushBlob("to be deleted");
  const { source, reached, goOn } = stopping(layerd.registry.source, 3);
  const control = await openControl(data, { source } as unknown as Operations);
  const args = ["migrate-store", "--from", data, "--to", place("new")];
  const running = start(t, [...args, "--json"]);
  await reached;
  await app.pushImage("second", { tag: "v1" });
  await app.pushImage("third", { tag: "v2" });
  await app.status("DELETE", `blobs/${doomed}`);
  goOn();
  const first = await running.ended;
  t.is(first.code, 0, first.stdout + first.stderr);
  t.like(lines(first.stdout).at(-1).moved, { manifests: 1, tags: 0, faults: 0, sourceChanged: true });
  t.is((await run(t, ["check", "--data", place("new")])).code, 0);
  const next = await run(t, args);
  t.is(next.code, 0, next.stderr);
  t.regex(next.stdout, /^team\/app {2}2 blobs, 2 manifests, 2 tags; /m);
  t.regex(next.stdout, /The source was not changed while this ran: the target has all that it has\.\n$/);
  await control?.close();
  await stop();
  const [old, now] = (await Promise.all([data, place("new")].map((store) => contentOf({ data: store })))) as {
    "team/app": { blobs: { digest: string }[]; manifests: object[]; tags: object[] };
  }[];
  t.deepEqual(now?.["team/app"].tags, old?.["team/app"].tags);
  t.deepEqual(now?.["team/app"].manifests, old?.["team/app"].manifests);
  // Deletions are not carried over.
  t.true(now?.["team/app"].blobs.some(({ digest }) => digest === doomed));
});

test("a server that ends while it is copied ends the copy with one sentence", async (t) => {
  const place = await placeForStores(t);
  const { layerd, url, data } = await startServer(t, { data: place("old") });
  const app = new Client(url);
  for (const content of ["one", "two", "three"]) await app.pushBlob(content);
  const { source, reached } = stopping(layerd.registry.source, 2);
  const control = await openControl(data, { source } as unknown as Operations);
  const running = start(t, ["migrate-store", "--from", data, "--to", place("new"), "--json"]);
  await reached;
  await control?.close();
  const { code, stdout, stderr } = await running.ended;
  t.is(code, 1);
  t.is(stdout, "");
  t.regex(stderr, /^layerd: (?:no server answers at .*|.* does not answer: .*)\n$/);
  t.true(existsSync(join(place("new"), "layout.json")));
});

test("a server of a version that does not know how to be copied says so", async (t) => {
  const place = await placeForStores(t);
  const { data, url } = await startServer(t, { data: place("old") });
  await new Client(url).pushBlob("one");
  const source = { repositories: () => Promise.reject(new Error("this server knows no /source")) };
  const control = await openControl(data, { source } as unknown as Operations);
  const { code, stderr } = await run(t, ["migrate-store", "--from", data, "--to", place("new")]);
  t.is(code, 1);
  t.regex(stderr, /^layerd: .*this server knows no \/source\n$/);
  await control?.close();
});
