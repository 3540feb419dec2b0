import test from "ava";
import { digestOf } from "../../src/core/digest.ts";
import { database, query } from "../tools/database.ts";
import { json } from "../tools/json.ts";
import { freePort } from "../tools/ports.ts";
import { S3Server, s3 } from "../tools/s3.ts";
import { requireTool } from "../tools/tools.ts";
import { run, serve } from "./command.ts";

test("a bucket that cannot be used is told in one sentence, at the start", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const server = await s3();
  const index = await database();
  const bucket = `s3://${server.bucket()}`;
  const start = async (blobs: string, endpoint: string, env: Record<string, string> = {}) => {
    const flags = ["--blobs", blobs, "--s3-endpoint", endpoint, "--s3-path-style", "--index", index];
    const { code, stderr } = await run(t, ["serve", "--port", "0", ...flags], { env });
    t.is(code, 1, stderr);
    return stderr;
  };
  const nobody = `http://127.0.0.1:${await freePort()}`;
  t.is(
    await start("s3://nowhere", server.url),
    `layerd: the bucket nowhere at ${server.url} cannot be used: there is no such bucket: create it first\n`,
  );
  t.regex(
    await start(bucket, nobody),
    /^layerd: the bucket .* cannot be used: nothing answers there: start it, or correct s3Endpoint\n$/,
  );
  const stranger = { AWS_ACCESS_KEY_ID: "stranger", AWS_SECRET_ACCESS_KEY: "very-secret-indeed" };
  const refused = await start(bucket, server.url, stranger);
  t.regex(
    refused,
    /^layerd: the bucket .* cannot be used: the credentials are not accepted: AWS_ACCESS_KEY_ID and .*\n$/,
  );
  t.notRegex(refused, /very-secret-indeed/);
});

test("a bucket that cannot be written is told, too", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  await s3();
  const server = await S3Server.start(["--readonly"]);
  t.teardown(() => server.remove());
  const flags = ["--blobs", `s3://${server.bucket()}`, "--s3-endpoint", server.url, "--s3-path-style"];
  const { code, stderr } = await run(t, ["serve", "--port", "0", ...flags, "--index", await database()]);
  t.is(code, 1);
  t.regex(stderr, /^layerd: the bucket .* cannot be written: permission denied: docs\/s3\.md has .*\n$/);
});

test("blobs in a bucket want an index in a database", async (t) => {
  const { code, stderr } = await run(t, ["serve", "--port", "0", "--blobs", "s3://layers"]);
  t.is(code, 2);
  t.regex(stderr, /^layerd: blobs in a bucket go with an index in PostgreSQL/);
  const wrong = await run(t, ["serve", "--blobs", "s3://no/../where"]);
  t.regex(wrong.stderr, /is not files or a bucket such as s3:\/\/layers/);
});

test("a bucket belongs to one database: another would take all of it for orphans", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const server = await s3();
  const [index, other, copy] = [await database(), await database(), await database()];
  const bucket = `s3://${server.bucket()}`;
  const where = (blobs: string) => ["--blobs", blobs, "--s3-endpoint", server.url, "--s3-path-style"];
  const first = await serve(t, [...where(bucket), "--index", index]);
  t.is((await fetch(`${first.url}/layer`, { method: "POST", body: "kept" })).status, 201);
  first.child.kill("SIGTERM");
  await first.ended;

  const belongs = /^layerd: the bucket \S+ at \S+ belongs to a database [^\n]*: correct index, [^\n]*\n$/;
  for (const command of [["serve", "--port", "0"], ["gc"]]) {
    const { code, stderr } = await run(t, [...command, ...where(bucket), "--index", other]);
    t.is(code, 1);
    t.regex(stderr, belongs);
  }
  t.is((await run(t, ["check", ...where(`${bucket}/other`), "--index", other])).code, 0);

  const name = (url: string) => url.split("/").at(-1);
  await query(other, `drop database ${name(copy)}`);
  await query(other, `create database ${name(copy)} template ${name(index)}`);
  const restored = await run(t, ["check", ...where(bucket), "--index", copy]);
  t.is(restored.code, 0, restored.stderr);
});

test("operators work beside the servers", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const server = await s3();
  const where = ["--blobs", `s3://${server.bucket()}`, "--s3-endpoint", server.url, "--s3-path-style"];
  const flags = [...where, "--index", await database()];
  const { url } = await serve(t, [...flags, "--gc-grace", "1ms", "--no-gc"]);
  const digest = digestOf(Buffer.from("kept"));
  const posted = await fetch(`${url}/layer`, { method: "POST", body: "kept" });
  t.is((await json(posted)).digest, digest);
  const why = await run(t, ["why", digest, ...flags]);
  t.is(why.code, 0, why.stderr);
  const checked = await run(t, ["check", ...flags]);
  t.is(checked.code, 0, checked.stdout + checked.stderr);
  t.is((await run(t, ["scrub", ...flags])).code, 0);
  const collected = await run(t, ["gc", ...flags, "--gc-grace", "1ms", "--json"]);
  t.is(collected.code, 0, collected.stderr);
  t.is(await (await fetch(`${url}/layer/${digest}`)).text(), "kept");
  t.is((await run(t, ["trash", ...flags])).code, 0);
});
