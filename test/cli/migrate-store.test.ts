import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import test, { type ExecutionContext } from "ava";
import type { StoreOptions } from "../../src/config.ts";
import type { Digest } from "../../src/core/digest.ts";
import { createLayerd } from "../../src/create.ts";
import { pathOf, spoil } from "../blobs/samples.ts";
import { Client, IMAGE_CONFIG, sha256 } from "../http/v2/client.ts";
import { database } from "../tools/database.ts";
import { s3 } from "../tools/s3.ts";
import { startServer } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";
import { run, serve } from "./command.ts";
import { contentOf, fill, LAYER, lines, placeForStores } from "./stores.ts";

type Place = Awaited<ReturnType<typeof placeForStores>>;

/** A store on files that has one of everything; no server runs on it. */
async function filled(t: ExecutionContext, place: Place): Promise<string> {
  const { url, data, stop } = await startServer(t, { data: place("old"), index: "files" });
  await fill(url);
  await stop();
  return data;
}

/** A config file. */
async function written(place: Place, name: string, config: object): Promise<string> {
  await writeFile(place(`${name}.json`), JSON.stringify(config));
  return place(`${name}.json`);
}

async function copy(t: ExecutionContext, from: string, to: string, ...more: readonly string[]) {
  const { code, stdout, stderr } = await run(t, [
    "migrate-store",
    ...["--from", from, "--to", to, "--json"],
    ...more,
  ]);
  t.is(stderr, "");
  const said = lines(stdout);
  const faults = said.flatMap(({ fault }) => fault ?? []);
  return { code, faults, moved: said.at(-1).moved };
}

/** Checks that index and bytes go together, and are what they are called. */
async function checkWhole(t: ExecutionContext, config: StoreOptions): Promise<void> {
  const { registry, close } = await createLayerd({ ...config, gc: false, scrubRate: 0 });
  try {
    await registry.checker.check({ report: (fault) => t.fail(JSON.stringify(fault)) });
    await registry.scrubber.scrub({ report: (rot) => t.fail(JSON.stringify(rot)) });
  } finally {
    await close();
  }
}

/** Copies a store, then all again, and compares what is there with what was. */
async function checkCopy(t: ExecutionContext, old: StoreOptions, now: StoreOptions, place: Place) {
  const [from, to] = [await written(place, "from", old), await written(place, "to", now)];
  const dry = await copy(t, from, to, "--dry-run");
  t.is(dry.code, 0);
  const first = await copy(t, from, to);
  t.is(first.code, 0);
  t.deepEqual(first.faults, []);
  t.deepEqual(first.moved, { ...dry.moved, sourceChanged: false });
  t.like(first.moved, { repositories: 4, blobs: 8, manifests: 5, tags: 3 });
  t.deepEqual(await contentOf(now), await contentOf(old));
  await checkWhole(t, now);
  const again = await copy(t, from, to);
  const nothing = { repositories: 0, blobs: 0, manifests: 0, tags: 0, copied: 0, bytes: 0, faults: 0 };
  t.deepEqual(again.moved, { ...nothing, sourceChanged: false });
}

test("from files to files", async (t) => {
  const place = await placeForStores(t);
  await checkCopy(t, { data: await filled(t, place) }, { data: place("new") }, place);
});

test("from files to PostgreSQL, and back", async (t) => {
  const place = await placeForStores(t);
  const old = { data: await filled(t, place) };
  const between = { data: place("between"), index: await database() };
  await checkCopy(t, old, between, place);
  await checkCopy(t, between, { data: place("new") }, place);
  t.deepEqual(await contentOf({ data: place("new") }), await contentOf(old));
});

test("from files to a bucket, and from there to files and PostgreSQL", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const place = await placeForStores(t);
  const server = await s3();
  const old = { data: await filled(t, place) };
  const where = { blobs: `s3://${server.bucket()}`, s3Endpoint: server.url, s3PathStyle: true };
  const between = { index: await database(), ...where };
  await checkCopy(t, old, between, place);
  const now = { data: place("new"), index: await database() };
  await checkCopy(t, between, now, place);
  t.deepEqual(await contentOf(now), await contentOf(old));
});

test("what is copied is served as it was", async (t) => {
  const place = await placeForStores(t);
  const data = await filled(t, place);
  t.is((await copy(t, data, place("new"))).code, 0);
  const answers = [];
  for (const store of [data, place("new")]) {
    const { url } = await serve(t, ["--data", store]);
    const app = new Client(url);
    const image = await app.send("GET", "manifests/v1");
    const text = await image.text();
    answers.push({
      text,
      type: image.headers.get("content-type"),
      index: await (await app.send("GET", "manifests/multi")).text(),
      layer: await (await app.send("GET", `blobs/${sha256(LAYER)}`)).text(),
      referrers: await (await app.send("GET", `referrers/${sha256(text)}`)).json(),
      catalog: await (await fetch(`${url}/v2/_catalog`)).json(),
      empty: await (await fetch(`${url}/v2/team/empty/tags/list`)).text(),
    });
  }
  t.deepEqual(answers[1], answers[0]);
  t.is(answers[1]?.layer, LAYER);
});

test("a damaged blob is told, the rest is copied, and it follows when it has been healed", async (t) => {
  const place = await placeForStores(t);
  const data = await filled(t, place);
  const digest = sha256(LAYER) as Digest;
  const path = pathOf(data, digest);
  const bytes = await readFile(path);
  bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
  await spoil(path, () => writeFile(path, bytes));
  const { code, faults, moved } = await copy(t, data, place("new"));
  t.is(code, 1);
  t.is(faults.length, 2);
  for (const [at, repository] of ["library", "team/app"].entries()) {
    t.like(faults[at], { repository, what: "damaged", digest, size: LAYER.length, as: "blob" });
  }
  t.regex(faults[0].why, /^the bytes are sha256:\w+, not sha256:/);
  t.like(moved, { blobs: 6, manifests: 5, tags: 3, faults: 2, sourceChanged: false });
  t.false(existsSync(pathOf(place("new"), digest)));
  const server = await serve(t, ["--data", data]);
  await new Client(server.url).pushBlob(LAYER);
  const healed = await copy(t, data, place("new"));
  t.is(healed.code, 0);
  t.like(healed.moved, { blobs: 2, copied: 1, manifests: 0, tags: 0 });
});

test("people are told the same", async (t) => {
  const place = await placeForStores(t);
  const data = await filled(t, place);
  const path = pathOf(data, sha256("other layer") as Digest);
  await spoil(path, () => writeFile(path, "another lay"));
  const { code, stdout } = await run(t, ["migrate-store", "--from", data, "--to", place("new")]);
  t.is(code, 1);
  t.regex(
    stdout,
    /^team\/app {2}sha256:\w+\n {2}this blob was not copied\n {2}the bytes are sha256:\w+, not sha256:\w+\n/m,
  );
  t.regex(stdout, /^team\/empty {2}0 blobs, 0 manifests, 0 tags; 0 bytes copied\n/m);
  t.regex(stdout, /^4 new repositories, 7 blobs, 5 manifests, 3 tags; 1\d\d\.\d KiB copied\n/m);
  t.true(
    stdout.endsWith(
      "\nThe source was not changed while this ran: the target has all that it has, but for the 1 thing listed above.\n",
    ),
  );
});

test("a server goes on pushing and serving while it is copied, and the last pass has all of it", async (t) => {
  const place = await placeForStores(t);
  const data = place("old");
  const server = await serve(t, ["--data", data]);
  await fill(server.url);
  const app = new Client(server.url);
  let pushing = true;
  const pushes = (async () => {
    for (let at = 0; pushing; at += 1) await app.pushImage(`pushed ${at}`, { tag: `p${at}` });
  })();
  for (let pass = 0; pass < 2; pass += 1) {
    const { code, faults } = await copy(t, data, place("new"));
    t.deepEqual([code, faults], [0, []]);
    // Whatever came between, what is in the target is whole.
    await checkWhole(t, { data: place("new") });
    t.is(await (await app.send("GET", `blobs/${sha256(LAYER)}`)).text(), LAYER);
  }
  pushing = false;
  await pushes;
  const last = await copy(t, data, place("new"));
  t.is(last.code, 0);
  t.false(last.moved.sourceChanged);
  server.child.kill("SIGTERM");
  await server.ended;
  t.deepEqual(await contentOf({ data: place("new") }), await contentOf({ data }));
});

test("a tag that the target has at another digest stays, unless it is to be overwritten and may be", async (t) => {
  const place = await placeForStores(t);
  const data = await filled(t, place);
  const own = await startServer(t, { data: place("new"), index: "files" });
  const client = new Client(own.url);
  const image = sha256(await client.pushImage("the target's own", { tag: "v1" }));
  await client.pushImage("the target's own", { tag: "own" });
  await own.stop();
  const { code, faults, moved } = await copy(t, data, place("new"));
  t.is(code, 1);
  t.is(faults.length, 1);
  t.like(faults[0], { repository: "team/app", what: "tag-conflict", tag: "v1", is: image });
  t.like(moved, { repositories: 3, tags: 2, faults: 1 });
  const rules = [{ repositories: "team/*", immutableTags: "v*" }];
  const immutable = await written(place, "to", { data: place("new"), rules });
  const refused = await copy(t, data, immutable, "--overwrite-tags");
  t.is(refused.code, 1);
  t.regex(refused.faults[0].why, /immutable/);
  const forced = await copy(t, data, place("new"), "--overwrite-tags");
  t.is(forced.code, 0);
  t.like(forced.moved, { tags: 1, faults: 0 });
  const { url } = await serve(t, ["--data", place("new")]);
  const text = await (await new Client(url).send("GET", "manifests/v1")).text();
  t.is(JSON.parse(text).layers[0].digest, sha256(LAYER));
  t.is(await new Client(url).status("GET", "manifests/own"), 200);
});

test("rules that the target has for pushes do not keep a copy out", async (t) => {
  const place = await placeForStores(t);
  const data = await filled(t, place);
  const now = { data: place("new"), rules: [{ repositories: "**", readOnly: true, maxBlobSize: 1 }] };
  t.is((await copy(t, data, await written(place, "to", now))).code, 0);
  t.deepEqual(await contentOf(now), await contentOf({ data }));
});

test("what is collected in the target is what is collected in the source", async (t) => {
  const place = await placeForStores(t);
  const data = await filled(t, place);
  t.is((await copy(t, data, place("new"))).code, 0);
  const collected = [];
  for (const store of [data, place("new")]) {
    const { code, stdout, stderr } = await run(t, ["gc", "--data", store, "--gc-grace", "1ms", "--json"]);
    t.is(code, 0, stderr);
    const { links, manifests, tags } = lines(stdout).at(-1);
    collected.push({ links, manifests, tags });
  }
  t.deepEqual(collected[1], collected[0]);
  // Blobs that no manifest names.
  t.deepEqual(collected[1], { links: 2, manifests: 0, tags: 0 });
  t.deepEqual(await contentOf({ data: place("new") }), await contentOf({ data }));
  await checkWhole(t, { data: place("new") });
});

test("a manifest of which the bytes are gone keeps its tags from being copied", async (t) => {
  const place = await placeForStores(t);
  const { url, data, stop } = await startServer(t, { data: place("old"), index: "files" });
  const image = sha256(await new Client(url).pushImage(IMAGE_CONFIG, { tag: "v1" }));
  await stop();
  await spoil(pathOf(data, image as Digest), () => writeFile(pathOf(data, image as Digest), "{}"));
  const { code, faults } = await copy(t, data, place("new"));
  t.is(code, 1);
  t.like(faults[0], { what: "damaged", digest: image, as: "manifest" });
  t.like(faults[1], { what: "tag-dangling", tag: "v1", digest: image });
});

test("a store is not copied into itself, from nowhere, or into one that is being served", async (t) => {
  const place = await placeForStores(t);
  const data = await filled(t, place);
  const index = "postgres://me:secret@127.0.0.1:1/layerd";
  const one = await written(place, "one", { data, index });
  const other = await written(place, "other", {
    data: place("other"),
    index: index.replace("me:secret@", ""),
  });
  const inBucket = (name: string, blobs: string, more = "") =>
    written(place, name, { blobs, index: `${index}_${name}`, s3Endpoint: `http://127.0.0.1:1${more}` });
  const bucket = await inBucket("bucket", "s3://layers");
  const sameBucket = await inBucket("same", "s3://layers/", "/");
  const inside = await inBucket("inside", "s3://layers/blobs/new");
  const memory = await written(place, "memory", { memory: true });
  await mkdir(place("nothing"));
  await serve(t, ["--data", place("served")]);
  for (const [from, to, code, message] of [
    [data, data, 2, /the same data directory, /],
    [data, `${data}/../old/`, 2, /the same data directory, /],
    [one, other, 2, /the same database\n/],
    [bucket, sameBucket, 2, /the same keys in the bucket layers: one of them needs another prefix\n/],
    [bucket, inside, 2, /the same keys in the bucket layers: /],
    [place("nothing"), place("new"), 2, /--from: there is no store in /],
    [place("missing.json"), place("new"), 2, /cannot read the config file/],
    [data, memory, 2, /--to: a store in memory lives in its server alone/],
    [data, place("served"), 1, /no server may run on the store that is copied to, and .* is in use by /],
  ] as const) {
    const { stderr, ...ended } = await run(t, ["migrate-store", "--from", from, "--to", to]);
    t.is(ended.code, code, stderr);
    t.regex(stderr, message);
    t.is(stderr.split("\n").length, 2);
    t.notRegex(stderr, /secret/);
  }
});
