import test from "ava";
import { json } from "../../tools/json.ts";
import { startServer } from "../../tools/server.ts";
import { allPages, Client, onEachDriver, refused, sha256 } from "./client.ts";

/** Pushes an image under so many tags, and returns them in their order. */
async function tagged(client: Client, tags: readonly string[]): Promise<string[]> {
  const manifest = await client.pushImage("layer");
  const query = tags.map((tag) => `tag=${tag}`).join("&");
  await client.putManifest(`${sha256(manifest)}?${query}`, manifest);
  return tags.toSorted();
}

const numbered = (count: number) => Array.from({ length: count }, (_, at) => `t${at}`);

async function list(client: Client, query = "") {
  const answer = await client.send("GET", `tags/list${query}`);
  return { tags: (await json(answer)).tags, link: answer.headers.get("link") };
}

onEachDriver("tags are listed in ASCIIbetical order", async (t, client) => {
  const tags = ["b", "B", "a", "_", "10", "9", "a.b", "a-b", "a_b", "latest"];
  await tagged(client, tags);
  const answer = await client.send("GET", "tags/list");
  t.is(answer.status, 200);
  t.is(answer.headers.get("content-type"), "application/json");
  t.deepEqual(await answer.json(), {
    name: "team/app",
    tags: ["10", "9", "B", "_", "a", "a-b", "a.b", "a_b", "b", "latest"],
  });
  t.is(answer.headers.get("link"), null);
});

onEachDriver("n and last give a part of the list", async (t, client) => {
  const tags = await tagged(client, numbered(10));
  t.deepEqual((await list(client, "?n=3")).tags, tags.slice(0, 3));
  t.deepEqual((await list(client, "?n=3&last=t2")).tags, tags.slice(3, 6));
  t.deepEqual((await list(client, "?last=t6")).tags, tags.slice(7));
  t.deepEqual((await list(client, "?n=3&last=t2x")).tags, tags.slice(3, 6));
  t.deepEqual(await list(client, "?n=10"), { tags, link: null });
  t.deepEqual(await list(client, "?last=zzz"), { tags: [], link: null });
});

onEachDriver("Link leads through all pages, each tag once", async (t, client) => {
  const tags = await tagged(client, numbered(10));
  for (const [n, pages] of [
    [1, 10],
    [3, 4],
    [5, 2],
    [100, 1],
  ] as const) {
    const answers = await allPages(client, `/v2/team/app/tags/list?n=${n}`);
    t.is(answers.length, pages);
    t.deepEqual(
      (await Promise.all(answers.map(json))).flatMap((page) => page.tags),
      tags,
    );
  }
});

test("n=0 is an empty list, and there is no Link", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await tagged(client, numbered(3));
  t.deepEqual(await list(client, "?n=0"), { tags: [], link: null });
});

for (const n of ["", "x", "-1", "-99999999999", "1e999", "99999999999999999999", "NaN", "%00", "5&n=1"]) {
  test(`?n=${n} loses no tags`, async (t) => {
    const client = new Client((await startServer(t, { memory: true })).url);
    const tags = await tagged(client, numbered(4));
    t.deepEqual(await list(client, `?n=${n}`), { tags, link: null });
  });
}

test("HEAD of the list has the headers of GET", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await tagged(client, numbered(4));
  const head = await client.send("HEAD", "tags/list?n=2");
  const got = await client.send("GET", "tags/list?n=2");
  for (const name of ["content-type", "content-length", "link", "cache-control"]) {
    t.is(head.headers.get(name), got.headers.get(name));
  }
});

test("an unknown repository is 404", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  const [error] = await refused(t, await client.send("GET", "tags/list"), 404, "NAME_UNKNOWN");
  t.deepEqual(error.detail, { name: "team/app" });
  t.is(await client.status("GET", "tags/list?n=0"), 404);
});

test("opening a session does not make a repository", async (t) => {
  const client = new Client((await startServer(t, { memory: true })).url);
  await client.open();
  t.is(await client.status("GET", "tags/list"), 404);
});

onEachDriver("a repository of blobs alone has no tags", async (t, client) => {
  await client.pushBlob("content");
  t.deepEqual(await list(client), { tags: [], link: null });
});
