import { Readable } from "node:stream";
import test from "ava";
import { parseRepositoryName } from "../../../src/core/name.ts";
import { json } from "../../tools/json.ts";
import { startServer } from "../../tools/server.ts";
import { allPages, Client, onEachDriver } from "./client.ts";

const NAMES = ["b", "a", "a/b", "a-b", "a.b", "a/b/c", "z/0", "a__b"];

async function fill(url: string): Promise<string[]> {
  for (const name of NAMES) await new Client(url, name).pushBlob("content");
  return NAMES.toSorted();
}

onEachDriver("the catalog lists repositories in ASCIIbetical order", async (t, _client, { url }) => {
  const names = await fill(url);
  const answer = await fetch(`${url}/v2/_catalog`);
  t.is(answer.status, 200);
  t.is(answer.headers.get("link"), null);
  t.deepEqual(await answer.json(), { repositories: names });
});

onEachDriver("Link leads through the catalog, whatever is in the names", async (t, client, { url }) => {
  const names = await fill(url);
  for (const n of [1, 3, 100]) {
    const pages = await allPages(client, `/v2/_catalog?n=${n}`);
    t.is(pages.length, Math.ceil(names.length / n));
    t.deepEqual(
      (await Promise.all(pages.map(json))).flatMap((page) => page.repositories),
      names,
    );
  }
});

test("an empty store has an empty catalog", async (t) => {
  const { url } = await startServer(t);
  t.deepEqual(await (await fetch(`${url}/v2/_catalog`)).json(), { repositories: [] });
});

test("n=0 is an empty list without Link, and n=-1 is as good as none", async (t) => {
  const { url } = await startServer(t, { memory: true });
  const names = await fill(url);
  const none = await fetch(`${url}/v2/_catalog?n=0`);
  t.is(none.headers.get("link"), null);
  t.deepEqual(await none.json(), { repositories: [] });
  t.deepEqual(await (await fetch(`${url}/v2/_catalog?n=-1`)).json(), { repositories: names });
});

const teamOnly = { authorize: ({ repository }: { repository: string }) => repository.startsWith("team/") };

test("the catalog shows only what the caller may list", async (t) => {
  const { url, layerd } = await startServer(t, { memory: true }, teamOnly);
  await new Client(url, "team/a").pushBlob("content");
  await seed(layerd, ["secret/a", "secret/b", "zebra"]);
  t.deepEqual(await (await fetch(`${url}/v2/_catalog`)).json(), { repositories: ["team/a"] });
});

test("no link of the catalog names what the caller may not list", async (t) => {
  const { url, layerd } = await startServer(t, { memory: true }, teamOnly);
  await seed(layerd, ["a/hidden", "b/hidden", "team/a", "team/b", "team/c", "x/hidden", "z/hidden"]);
  for (const n of [1, 2, 3, 4]) {
    const pages = await allPages(new Client(url), `/v2/_catalog?n=${n}`);
    const bodies = await Promise.all(pages.map(json));
    t.deepEqual(
      bodies.flatMap((page) => page.repositories),
      ["team/a", "team/b", "team/c"],
    );
    for (const page of pages) t.notRegex(page.headers.get("link") ?? "", /hidden/);
    for (const page of bodies) t.true(page.repositories.length > 0);
  }
});

type Layerd = Awaited<ReturnType<typeof startServer>>["layerd"];

/** Makes repositories that nobody may push to. */
async function seed({ registry }: Layerd, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const place = { repository: parseRepositoryName(name), who: "seed" };
    await registry.layers.store(place, { stream: Readable.from([Buffer.from("x")]) }, {});
  }
}
