import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { openControl } from "../../src/cli/operations/control.ts";
import type { CollectRequest, Operations } from "../../src/cli/operations/operations.ts";
import { digestOf } from "../../src/core/digest.ts";
import { IMAGE_CONFIG, imageOf, MANIFEST as MANIFEST_TYPE } from "../http/v2/client.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { run, serve } from "./command.ts";

const MANIFEST = imageOf("layer");
const ID = digestOf(Buffer.from(MANIFEST));

async function pushImage(url: string, tag = "v1"): Promise<void> {
  for (const body of [IMAGE_CONFIG, "layer"]) {
    const upload = `${url}/v2/team/app/blobs/uploads/?digest=${digestOf(Buffer.from(body))}`;
    if ((await fetch(upload, { method: "POST", body })).status !== 201) throw new Error("not taken");
  }
  const headers = { "Content-Type": MANIFEST_TYPE };
  await fetch(`${url}/v2/team/app/manifests/${tag}`, { method: "PUT", body: MANIFEST, headers });
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

/** A server from which an image has been deleted; nothing is collected by itself. */
async function serveDeleted(t: ExecutionContext) {
  const data = join(await temporaryDirectory(t), "data");
  const server = await serve(t, ["--data", data, "--gc-grace", "1ms", "--no-gc"]);
  await pushImage(server.url);
  await fetch(`${server.url}/v2/team/app/manifests/${ID}`, { method: "DELETE" });
  return { data, server };
}

test("a running server collects when it is told to, and says beforehand what it would", async (t) => {
  const { data, server } = await serveDeleted(t);
  const dry = await run(t, ["gc", "--dry-run", "--json", "--data", data]);
  t.is(dry.code, 0, dry.stderr);
  const digests = [ID, ...[IMAGE_CONFIG, "layer"].map((text) => digestOf(Buffer.from(text)))].sort();
  const blobs = lines(dry.stdout)
    .map((line) => JSON.parse(line))
    .filter(({ what }) => what === "blob");
  t.deepEqual(blobs.map(({ digest }) => digest).sort(), digests);
  t.is((await fetch(`${server.url}/v2/team/app/blobs/${digestOf(Buffer.from("layer"))}`)).status, 200);
  const wet = await run(t, ["gc", "--data", data]);
  t.is(wet.code, 0, wet.stderr);
  t.regex(wet.stdout, /3 blobs of 4\d\d bytes went to the trash/);
  t.is((await fetch(`${server.url}/v2/team/app/blobs/${digestOf(Buffer.from("layer"))}`)).status, 404);
  const trash = await run(t, ["trash", "--json", "--data", data]);
  const discarded = lines(trash.stdout).map((line) => JSON.parse(line));
  t.deepEqual(discarded.map(({ digest }) => digest).sort(), digests);
  for (const { digest, what, mediaType } of discarded) {
    const expected = digest === ID ? ["manifest", MANIFEST_TYPE] : ["blob", "application/octet-stream"];
    t.deepEqual([what, mediaType], expected);
  }
  const shown = (await run(t, ["trash", "--data", data])).stdout;
  t.regex(
    shown,
    new RegExp(`^${ID} .* bytes  until 20.* UTC  manifest  ${MANIFEST_TYPE.replaceAll("+", "\\+")}$`, "m"),
  );
});

test("what was collected comes back whole, from the server or without one", async (t) => {
  const { data, server } = await serveDeleted(t);
  await run(t, ["gc", "--data", data]);
  const restored = await run(t, ["trash", "restore", ID, "--to", "other/app:v2", "--data", data]);
  t.is(restored.stdout, "the manifest is in other/app again, with 2 that it names\n", restored.stderr);
  const pulled = await fetch(`${server.url}/v2/other/app/manifests/v2`);
  t.is(await pulled.text(), MANIFEST);
  t.is((await fetch(`${server.url}/v2/other/app/blobs/${digestOf(Buffer.from("layer"))}`)).status, 200);
  await fetch(`${server.url}/v2/other/app/manifests/${ID}`, { method: "DELETE" });
  server.child.kill("SIGTERM");
  await server.ended;

  const collected = await run(t, ["gc", "--json", "--gc-grace", "1ms", "--data", data]);
  t.like(JSON.parse(lines(collected.stdout).at(-1) ?? ""), { links: 2, blobs: 3 }, collected.stderr);
  const again = await run(t, ["trash", "restore", ID, "--to", "team/app:v1", "--data", data]);
  t.is(again.code, 0, again.stderr);
  t.is((await run(t, ["trash", "--data", data])).stdout, "");
});

test("a dry run says what stays too, when it is asked, from the server or without one", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const server = await serve(t, ["--data", data, "--no-gc"]);
  await pushImage(server.url);
  const layer = digestOf(Buffer.from("layer"));
  const told = await run(t, ["gc", "--dry-run", "--verbose", "--data", data]);
  t.is(told.code, 0, told.stderr);
  const expected = [
    `stays       ${ID}  team/app  manifest  it is tagged v1`,
    `stays       ${layer}  team/app  blob  the manifest ${ID} names it`,
    `stays       ${digestOf(Buffer.from(IMAGE_CONFIG))}  team/app  blob  the manifest ${ID} names it`,
  ];
  t.deepEqual(lines(told.stdout).slice(0, 3), expected);
  server.child.kill("SIGTERM");
  await server.ended;
  const alone = await run(t, ["gc", "--dry-run", "--verbose", "--json", "--data", data]);
  const [manifest, ...rest] = lines(alone.stdout).map((line) => JSON.parse(line));
  const size = MANIFEST.length;
  const why = "it is tagged v1";
  t.deepEqual(manifest, { what: "stays", as: "manifest", repository: "team/app", digest: ID, size, why });
  t.deepEqual(
    rest.map(({ as }) => as),
    ["blob", "blob", undefined],
  );
});

test("a listing longer than what a connection holds comes whole", async (t) => {
  const data = await temporaryDirectory(t);
  const count = 20_000;
  const collected = {
    ...{ tags: 0, manifests: 0, links: 0, blobs: 0, bytes: 0, purged: 0, purgedBytes: 0 },
    kept: count,
  };
  const collect = async ({ stays }: CollectRequest) => {
    const stay = { what: "stays", as: "blob", digest: ID, size: 1, why: "it is a test" } as const;
    for (let n = 0; n < count; n += 1) await stays?.(stay);
    return collected;
  };
  const control = await openControl(data, { collect } as unknown as Operations);
  const { stdout, stderr } = await run(t, ["gc", "--dry-run", "--verbose", "--json", "--data", data]);
  await control?.close();
  t.is(stderr, "");
  t.is(lines(stdout).length, count + 1);
});

test("tags that no rule keeps are removed, each with its reason", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const rule = '{"repositories":"team/*","keepTags":{"newest":1,"matching":"v*"}}';
  const server = await serve(t, ["--data", data, "--gc-grace", "1ms", "--no-gc", "--rule", rule]);
  for (const tag of ["v1", "pr-1", "pr-2"]) await pushImage(server.url, tag);
  const dry = await run(t, ["gc", "--dry-run", "--data", data]);
  t.regex(
    dry.stdout,
    /^tag .* {2}team\/app:pr-1 {2}not the newest, not matched by v\*\n1 tag, 0 manifests, /,
    dry.stderr,
  );
  t.is(
    (await run(t, ["gc", "--data", data])).stdout,
    dry.stdout.replace("would go", "went").replace("would be", "was"),
  );
  const listed = await fetch(`${server.url}/v2/team/app/tags/list`);
  t.deepEqual(((await listed.json()) as { tags: string[] }).tags, ["pr-2", "v1"]);
});

test("why something is kept is said by the server, or without one", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const server = await serve(t, ["--data", data, "--no-gc"]);
  await pushImage(server.url);
  const layer = digestOf(Buffer.from("layer"));
  const told = await run(t, ["why", layer, "--data", data]);
  t.is(told.code, 0, told.stderr);
  const expected = [
    `${layer}  5 bytes`,
    "team/app: blob, application/octet-stream",
    `  named by the manifest ${ID}`,
    "promised: somebody was told of it lately, and may rely on it",
  ];
  t.deepEqual(lines(told.stdout), expected);
  server.child.kill("SIGTERM");
  await server.ended;
  t.deepEqual(lines((await run(t, ["why", layer, "--data", data])).stdout), expected.slice(0, 3));
  const { repositories } = JSON.parse((await run(t, ["why", ID.slice(7), "--json", "--data", data])).stdout);
  t.like(repositories[0], { repository: "team/app", tags: { items: ["v1"], total: 1 }, readOnly: false });
});

test("what is not here makes `why` end with 1, what is in the trash with 0", async (t) => {
  const { data } = await serveDeleted(t);
  const nowhere = digestOf(Buffer.from("nowhere"));
  const missing = await run(t, ["why", nowhere, "--data", data]);
  t.deepEqual([missing.code, missing.stdout, missing.stderr], [1, `${nowhere}  not here\n`, ""]);
  await run(t, ["gc", "--data", data]);
  const { code, stdout } = await run(t, ["why", ID, "--data", data]);
  t.is(code, 0);
  t.regex(stdout, /bytes\nin the trash until 20\S+ \S+ UTC\n$/);
});

test("only the user that the server runs as may tell it what to do", async (t) => {
  const { data } = await serveDeleted(t);
  t.is((await stat(join(data, "control"))).mode & 0o777, 0o600);
});

for (const [what, args, message] of [
  [
    "what is not in the trash",
    ["trash", "restore", digestOf(Buffer.from("x")), "--to", "a"],
    /is not in the trash/,
  ],
  ["what is no digest", ["trash", "restore", "sha256:abc", "--to", "a"], /not a digest/],
  ["a question about what is no digest", ["why", "sha256:abc"], /is not a digest/],
  ["a place with two tags", ["trash", "restore", ID, "--to", "a:b:c"], /--to/],
  ["no place", ["trash", "restore", ID], /--to/],
  ["what stays, of what is removed", ["gc", "--verbose"], /--verbose goes with --dry-run/],
  ["a store in memory", ["gc", "--memory"], /in memory/],
] as const) {
  test(`${what} is one sentence`, async (t) => {
    const data = join(await temporaryDirectory(t), "data");
    const own = args[1] === "--memory" ? [] : ["--data", data];
    const { code, stderr } = await run(t, [...args, ...own]);
    t.not(code, 0);
    t.regex(stderr, message);
    t.is(lines(stderr).length, 1);
  });
}

test("a store that nobody has used is collected without a word of complaint", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  t.is((await run(t, ["gc", "--data", data])).code, 0);
  t.true((await readdir(data)).includes("blobs"));
});
