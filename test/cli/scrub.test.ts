import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { openControl } from "../../src/cli/operations/control.ts";
import type { Operations, ScrubRequest } from "../../src/cli/operations/operations.ts";
import { digestOf } from "../../src/core/digest.ts";
import { pathOf, spoil } from "../blobs/samples.ts";
import { IMAGE_CONFIG, imageOf, MANIFEST as MANIFEST_TYPE } from "../http/v2/client.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { run, serve, start } from "./command.ts";

const LAYER = "layer ".repeat(50_000);

const MANIFEST = imageOf(LAYER);
const ID = digestOf(Buffer.from(MANIFEST));
const LAYER_ID = digestOf(Buffer.from(LAYER));

async function pushBlob(url: string, body: string): Promise<void> {
  const upload = `${url}/v2/team/app/blobs/uploads/?digest=${digestOf(Buffer.from(body))}`;
  if ((await fetch(upload, { method: "POST", body })).status !== 201) throw new Error("not taken");
}

/** A server that has an image; what stops it resolves when it has released its directory. */
async function serveImage(t: ExecutionContext) {
  const data = join(await temporaryDirectory(t), "data");
  const server = await serve(t, ["--data", data]);
  for (const body of [IMAGE_CONFIG, LAYER]) await pushBlob(server.url, body);
  const headers = { "Content-Type": MANIFEST_TYPE };
  await fetch(`${server.url}/v2/team/app/manifests/v1`, { method: "PUT", body: MANIFEST, headers });
  const stop = async () => {
    server.child.kill("SIGTERM");
    return await server.ended;
  };
  return { data, url: server.url, stop };
}

async function flipByte(data: string, digest: typeof ID): Promise<void> {
  const path = pathOf(data, digest);
  const bytes = await readFile(path);
  bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
  await spoil(path, () => writeFile(path, bytes));
}

const lines = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

test("a running server finds a flipped byte, serves it no more, and takes it anew", async (t) => {
  const { data, url, stop } = await serveImage(t);
  const layer = `${url}/v2/team/app/blobs/${LAYER_ID}`;
  t.is((await run(t, ["scrub", "--data", data])).code, 0);
  await flipByte(data, LAYER_ID);
  const found = await run(t, ["scrub", "--json", "--data", data]);
  t.is(found.code, 1, found.stderr);
  const [rot, scrubbed, ...others] = lines(found.stdout);
  t.deepEqual(others, []);
  t.like(rot, { digest: LAYER_ID, what: "quarantined" });
  t.deepEqual(rot.neededBy, [{ repository: "team/app", as: "blob", manifests: [ID] }]);
  t.like(scrubbed, { blobs: 3, quarantined: 1 });
  t.is((await fetch(layer)).status, 404);
  t.is((await fetch(layer, { method: "HEAD" })).status, 404);
  const checked = await run(t, ["check", "--json", "--data", data]);
  t.is(checked.code, 1, checked.stderr);
  t.like(lines(checked.stdout)[0].fault, { repository: "team/app", what: "blob-missing", digest: LAYER_ID });
  await pushBlob(url, LAYER);
  t.is(await (await fetch(layer)).text(), LAYER);
  const clean = await run(t, ["scrub", "--data", data]);
  t.is(clean.code, 0, clean.stderr);
  t.is(clean.stdout, "3 blobs read, 293.4 KiB: all are what they should be\n");
  const whole = await run(t, ["check", "--data", data]);
  t.is(whole.code, 0, whole.stderr);
  t.is(whole.stdout, "1 repositories, 1 manifests, 2 blobs, 1 tags checked: nothing is wrong\n");
  const log = lines((await stop()).stdout);
  t.like(
    log.find(({ level }) => level === "error"),
    { digest: LAYER_ID, what: "quarantined" },
  );
});

test("without a server the same is found, and told to people", async (t) => {
  const { data, stop } = await serveImage(t);
  await stop();
  await flipByte(data, LAYER_ID);
  const { code, stdout, stderr } = await run(t, ["scrub", "--rate", "1GB", "--data", data]);
  t.is(code, 1, stderr);
  t.is(stderr, "");
  t.regex(
    stdout,
    new RegExp(`^quarantined  ${LAYER_ID}  293.0 KiB\n.*\n  a blob of team/app, named by ${ID}\n`),
  );
  t.regex(
    stdout,
    /push it again\n {2}until 20\S+ \S+ UTC its bytes are in \/\S+\/quarantine\/sha256\/\w+\n3 blobs read, 293.4 KiB: 1 quarantined, 0 damaged and kept, 0 unreadable\n$/,
  );
});

test("a scrub by hand writes its line into the audit log; a collection says what it takes out of quarantine", async (t) => {
  const { data, stop } = await serveImage(t);
  await stop();
  await flipByte(data, LAYER_ID);
  const audit = join(data, "..", "audit.jsonl");
  const scrubbed = await run(t, ["scrub", "--audit-log", audit, "--data", data]);
  t.is(scrubbed.code, 1, scrubbed.stderr);
  t.like(JSON.parse(await readFile(audit, "utf8")), {
    who: "scrub",
    action: "quarantine-blob",
    digest: LAYER_ID,
  });
  const dry = await run(t, ["gc", "--dry-run", "--trash-ttl", "1ms", "--data", data]);
  t.regex(
    dry.stdout,
    new RegExp(`^quarantine {2}${LAYER_ID} {2}293.0 KiB {2}its time in quarantine is over$`, "m"),
  );
  t.regex(dry.stdout, / 0 bytes in 0 blobs of it and 293.0 KiB in 1 blob in quarantine would be freed\n$/);
  const wet = await run(t, ["gc", "--trash-ttl", "1ms", "--data", data]);
  t.is(wet.stdout, dry.stdout.replace("would go", "went").replace("would be", "was"));
  await t.throwsAsync(readFile(join(data, "quarantine", ...LAYER_ID.split(":"))), { code: "ENOENT" });
});

test("an index that is lost is rebuilt from the blobs, when no server runs", async (t) => {
  const { data, stop } = await serveImage(t);
  const refused = await run(t, ["check", "--rebuild-index", "--data", data]);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^layerd: an index is rebuilt when no server runs, and .* is in use by .*\n$/);
  await stop();
  await rm(join(data, "index"), { recursive: true });
  const rebuilt = await run(t, ["check", "--rebuild-index", "--into", "lost/found", "--data", data]);
  t.is(rebuilt.code, 0, rebuilt.stderr);
  t.is(
    rebuilt.stdout,
    `found  ${ID}  ${MANIFEST_TYPE}\n` +
      "1 manifests and 2 blobs are in lost/found now\n" +
      "1 repositories, 1 manifests, 2 blobs, 0 tags checked: nothing is wrong\n",
  );
  const { url } = await serve(t, ["--data", data]);
  t.is(await (await fetch(`${url}/v2/lost/found/manifests/${ID}`)).text(), MANIFEST);
  t.is(await (await fetch(`${url}/v2/lost/found/blobs/${LAYER_ID}`)).text(), LAYER);
});

test("a damaged index is repaired when no server runs, and collected again", async (t) => {
  const { data, stop } = await serveImage(t);
  const refused = await run(t, ["check", "--repair", "--data", data]);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^layerd: a store is repaired when no server runs, and .* is in use by .*\n$/);
  await stop();
  const journal = join(data, "index/team/app/_journal.jsonl");
  const before = await readFile(journal, "utf8");
  await writeFile(journal, before.replace('"manifestPut"', '"manifestPot"'));
  t.regex((await run(t, ["gc", "--data", data])).stderr, /while the index of team\/app is damaged/);
  const checked = await run(t, ["check", "--data", data]);
  t.regex(checked.stdout, /or keep what could be read with `layerd check --repair`/);
  const dry = await run(t, ["check", "--repair", "--dry-run", "--data", data]);
  t.is(dry.code, 1, dry.stderr);
  t.regex(dry.stdout, /1 index would be repaired, 1 manifest and 0 blobs would be found again/);
  t.is((await run(t, ["check", "--data", data])).stdout, checked.stdout);
  const audit = join(data, "..", "audit.jsonl");
  const repaired = await run(t, ["check", "--repair", "--json", "--audit-log", audit, "--data", data]);
  t.is(repaired.code, 0, repaired.stderr);
  const [index, found, tag, sum, whole] = lines(repaired.stdout);
  t.like(index.repair, { what: "index", repository: "team/app", damaged: [{ file: journal, line: 3 }] });
  t.is(await readFile(index.repair.kept[0], "utf8"), before.replace('"manifestPut"', '"manifestPot"'));
  t.like(found.repair, { what: "found", repository: "team/app", digest: ID });
  t.like(tag.repair, { what: "tag-lost", repository: "team/app", tag: "v1", digest: ID });
  t.deepEqual(sum.repaired, { indexes: 1, manifests: 1, blobs: 0, restored: 0, lost: 0 });
  t.like(whole.checked, { manifests: 1, blobs: 2, faults: 0 });
  t.deepEqual(
    lines(await readFile(audit, "utf8")).map(({ who, action, repository }) => [who, action, repository]),
    [
      ["recovery", "repair-index", "team/app"],
      ["recovery", "push-manifest", "team/app"],
    ],
  );
  t.is((await run(t, ["gc", "--data", data])).code, 0);
  const { url } = await serve(t, ["--data", data]);
  t.is(await (await fetch(`${url}/v2/team/app/manifests/${ID}`)).text(), MANIFEST);
});

test("bytes that were collected by mistake come back from the trash, and the audit log says so", async (t) => {
  const { data, stop } = await serveImage(t);
  await stop();
  const trash = join(data, "trash", ...LAYER_ID.split(":"));
  await rename(pathOf(data, LAYER_ID), trash);
  const audit = join(data, "..", "audit.jsonl");
  const { code, stdout, stderr } = await run(t, ["check", "--repair", "--audit-log", audit, "--data", data]);
  t.is(code, 0, stderr);
  t.is(
    stdout,
    `team/app  ${LAYER_ID}\n  the bytes of this blob are back from the trash\n` +
      "0 indexes repaired, 0 manifests and 0 blobs found again, 1 blob restored from the trash, the bytes of 0 lost\n" +
      "1 repositories, 1 manifests, 2 blobs, 1 tags checked: nothing is wrong\n",
  );
  t.like(lines(await readFile(audit, "utf8"))[0], {
    who: "recovery",
    action: "restore-blob",
    digest: LAYER_ID,
  });
  await rm(pathOf(data, LAYER_ID));
  const lost = await run(t, ["check", "--repair", "--data", data]);
  t.is(lost.code, 1);
  t.regex(lost.stdout, new RegExp(`are lost: push it again\n  named by the manifest ${ID}\n.* of 1 lost\n`));
});

test("who breaks off `layerd scrub` breaks off the scrub in the server", async (t) => {
  const data = await temporaryDirectory(t);
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const scrub = ({ signal }: ScrubRequest) => {
    signal?.addEventListener("abort", () => ended.resolve());
    begun.resolve();
    return ended.promise.then(() => ({ blobs: 0, bytes: 0, quarantined: 0, kept: 0, unreadable: 0 }));
  };
  const control = await openControl(data, { scrub } as unknown as Operations);
  const { child } = start(t, ["scrub", "--data", data]);
  await begun.promise;
  child.kill("SIGINT");
  await t.notThrowsAsync(ended.promise);
  await control?.close();
});

for (const [what, args, message] of [
  ["a rate that is none", ["scrub", "--rate", "fast"], /--rate: 'fast' is not a size/],
  ["a rate of nothing", ["scrub", "--rate", "0"], /--rate: 0 would never end/],
  ["a dry run of nothing", ["check", "--dry-run"], /--dry-run goes with --repair/],
  ["no repository's name", ["check", "--rebuild-index", "--into", "UP"], /--into: /],
] as const) {
  test(`${what} is one sentence`, async (t) => {
    const { code, stderr } = await run(t, args);
    t.is(code, 2);
    t.regex(stderr, message);
    t.is(stderr.split("\n").length, 2);
  });
}
