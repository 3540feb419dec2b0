import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { temporaryDirectory } from "../index/samples.ts";
import { database, query } from "../tools/database.ts";
import { run, serve } from "./command.ts";

/** Serves, stores something, and ends. */
async function storeIn(t: ExecutionContext, flags: readonly string[]): Promise<void> {
  const { url, child, ended } = await serve(t, [...flags]);
  t.is((await fetch(`${url}/layer`, { method: "POST", body: "kept" })).status, 201);
  child.kill("SIGTERM");
  await ended;
}

async function refused(t: ExecutionContext, flags: readonly string[], why: RegExp): Promise<void> {
  for (const command of [["serve", "--port", "0"], ["gc"]]) {
    const { code, stderr } = await run(t, [...command, ...flags]);
    t.is(code, 1, stderr);
    t.regex(stderr, why);
  }
}

test("a data directory belongs to one index: another would take all of it for garbage", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const [index, other, copy] = [await database(), await database(), await database()];
  await storeIn(t, ["--data", data, "--index", index]);
  const belongs =
    /^layerd: the data directory \S+ belongs to a database whose schema was made at [^\n]*, or give [^\n]*\n$/;
  await refused(t, ["--data", data], belongs);
  await refused(t, ["--data", data, "--index", other], belongs);

  const name = (url: string) => url.split("/").at(-1);
  await query(other, `drop database ${name(copy)}`);
  await query(other, `create database ${name(copy)} template ${name(index)}`);
  const restored = await run(t, ["check", "--data", data, "--index", copy]);
  t.is(restored.code, 0, restored.stderr);
});

test("files that have their index beside them are no database's", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  const index = await database();
  const first = await run(t, ["check", "--data", data]);
  t.is(first.code, 0, first.stderr);
  t.is(await readFile(join(data, "layout.json"), "utf8"), '{"version":1}\n');
  await storeIn(t, ["--data", data]);
  const why =
    /^layerd: the data directory \S+ has its index in its files: copy it with `layerd migrate-store`, [^\n]*\n$/;
  await refused(t, ["--data", data, "--index", index], why);
  const still = await run(t, ["check", "--data", data]);
  t.is(still.code, 0, still.stderr);
});

test("a directory in which nothing was stored is whose index comes first", async (t) => {
  const data = join(await temporaryDirectory(t), "data");
  t.is((await run(t, ["check", "--data", data])).code, 0);
  const claimed = await run(t, ["check", "--data", data, "--index", await database()]);
  t.is(claimed.code, 0, claimed.stderr);
  t.regex(await readFile(join(data, "layout.json"), "utf8"), /^\{"version":1,"database":"20[^"]*Z"\}\n$/);
});
