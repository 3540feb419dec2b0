import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import test from "ava";
import { settleSchema } from "../../src/postgres/start.ts";
import { run, serve } from "../cli/command.ts";
import { database, query } from "../tools/database.ts";
import { Postgres } from "../tools/postgres.ts";
import { temporaryDirectory } from "../tools/server.ts";

const nobody = (url: string) => url.replace(/\/[^/]*$/, "/nowhere");

test("a database that cannot be used is one sentence, without the password", async (t) => {
  const url = await database();
  const readOnly = await database();
  await query(
    readOnly,
    `alter database ${readOnly.split("/").at(-1)} set default_transaction_read_only = on`,
  );
  const data = join(await temporaryDirectory(t), "data");
  const cases: [string, RegExp][] = [
    ["postgres://u:secret@127.0.0.1:1/layerd?sslmode=require", /: nothing answers there: start it, or/],
    ["postgres://u:secret@127.0.0.1:1/layerd", /the database layerd on 127\.0\.0\.1:1 cannot be reached/],
    [nobody(url), /the database nowhere on 127\.0\.0\.1:\d+ is not there: create it first/],
    [readOnly, /is read-only: name the primary/],
    ["mysql://u:secret@h/layerd", /what was given is not files or a URL such as postgres:/],
    ["postgres://u:secret@h", /what was given is not files or a URL such as postgres:/],
  ];
  for (const [index, sentence] of cases) {
    const { code, stderr } = await run(t, ["serve", "--port", "0", "--data", data, "--index", index]);
    t.not(code, 0, index);
    t.regex(stderr, sentence);
    t.is(stderr.trimEnd().split("\n").length, 1, stderr);
    t.notRegex(stderr, /secret/);
  }
});

test("a database that asks for a password says so, and nobody waits for it", async (t) => {
  const postgres = await Postgres.start();
  t.teardown(() => postgres.remove());
  const url = await postgres.database();
  await query(url, "create role asked login password 'secret'");
  const [file = ""] = await query(url, "show hba_file");
  await writeFile(file, "host all asked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n");
  // Longer than this test may take.
  await query(url, "alter system set authentication_timeout = '10min'");
  await postgres.stop();
  await postgres.start();
  const status = async (user: string) =>
    await run(t, ["migrate", "status", "--index", url.replace("postgres@", `${user}@`)]);
  const asked = await status("asked");
  t.is(asked.code, 1);
  t.regex(asked.stderr, /^layerd: the database \S+ on \S+ asks for a password: PGPASSWORD, [^\n]*\n$/);
  const refused = await status("asked:wrong");
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^layerd: the database \S+ on \S+ refuses the user, or the password [^\n]*\n$/);
  t.is((await status("asked:secret")).code, 0);
});

test("TLS that is asked for is verified, and the driver has nothing to warn of", async (t) => {
  const verified = (await database()).concat("?sslmode=");
  for (const mode of ["require", "verify-full"]) {
    const { code, stderr } = await run(t, ["migrate", "status", "--index", verified + mode]);
    t.is(code, 1);
    t.regex(
      stderr,
      /^layerd: the database \S+ on \S+ cannot be reached: The server does not support SSL [^\n]*\n$/,
    );
  }
});

test("a store in memory has no database", async (t) => {
  const { code, stderr } = await run(t, ["serve", "--memory", "--index", "postgres://h/layerd"]);
  t.is(code, 2);
  t.regex(stderr, /memory keeps everything in memory, and index is somewhere else/);
});

test("what is in force is shown without the password, wherever that stands", async (t) => {
  const index = "postgres://u:secret@h/layerd?sslpassword=secret";
  for (const more of [[], ["--json"]]) {
    const { stdout } = await run(t, ["config", "--index", index, ...more]);
    t.regex(stdout, /postgres:\/\/u:\*\*\*@h\/layerd/);
    t.notRegex(stdout, /secret/);
  }
});

test("the first server makes the schema; one of another version is refused in one sentence", async (t) => {
  const index = await database();
  const data = join(await temporaryDirectory(t), "data");
  const flags = ["--data", data, "--index", index];
  const server = await serve(t, flags);
  t.is((await fetch(`${server.url}/readyz`)).status, 200);
  server.child.kill("SIGTERM");
  await server.ended;

  await query(index, "insert into layerd_migrations values ('9998-more', now()::text)");
  const rolledBack = await serve(t, flags);
  t.is(
    (await fetch(`${rolledBack.url}/readyz`)).status,
    200,
    "what a later version has added is in nobody's way",
  );
  rolledBack.child.kill("SIGTERM");
  await rolledBack.ended;
  const migrating = await run(t, ["migrate", "up", "--index", index]);
  t.regex(migrating.stderr, /^layerd: a later version of layerd has taken the step 9998-more: use/);

  await query(index, "update layerd_schema set serves = '9998-more'");
  const later = await run(t, ["serve", "--port", "0", ...flags]);
  t.is(later.code, 1);
  t.regex(
    later.stderr,
    /^layerd: the schema of the database is too new for this version \(it serves those from 9998-more/,
  );

  await query(index, "delete from layerd_migrations where name > '0003'");
  const earlier = await run(t, ["serve", "--port", "0", ...flags]);
  t.is(earlier.code, 1);
  t.regex(
    earlier.stderr,
    /^layerd: the schema of the database is too old for this version \(0007-.* is missing\): run `layerd migrate up --to 0007-duties`, once/,
  );
});

test("a server that starts while another makes the schema waits for it", async (t) => {
  const url = await database();
  const started: Promise<unknown>[] = [];
  let made = false;
  const first = settleSchema(url).finally(() => {
    made = true;
  });
  for (; !made && started.length < 50; await delay(10)) started.push(settleSchema(url));
  await t.notThrowsAsync(Promise.all([first, ...started]));
});

test("the schema goes up and down from the command line", async (t) => {
  const index = await database();
  const config = join(await temporaryDirectory(t), "layerd.json");
  await writeFile(config, JSON.stringify({ index }));
  const migrate = async (...args: string[]) => await run(t, ["migrate", ...args, "--config", config]);
  t.regex((await migrate("status")).stdout, /^0001-index {2}not taken$/m);
  t.regex((await migrate("up", "--to", "0001-index")).stdout, /^0001-index {2}taken$/m);
  t.is((await migrate("up", "--to", "0001-index")).stdout, "there is nothing to do\n");
  const status = await migrate("status", "--json");
  const [first] = status.stdout.trimEnd().split("\n");
  const { step, takenAt } = JSON.parse(first ?? "");
  t.is(step, "0001-index");
  t.false(Number.isNaN(Date.parse(takenAt)));
  t.regex(
    (await migrate("up", "--to", "0007")).stderr,
    /^layerd: there is no step 0007; there are 0001-index/,
  );
  t.regex((await migrate("down")).stdout, /^0001-index {2}taken back$/m);
  t.is((await migrate("down")).stdout, "there is nothing to take back\n");
});

test("an index in files has no schema", async (t) => {
  const { code, stderr } = await run(t, ["migrate", "status"]);
  t.is(code, 2);
  t.regex(stderr, /the index is in files, which have no schema/);
  const bare = await run(t, ["migrate"]);
  t.is(bare.code, 2);
  t.notRegex(`${bare.stdout}${bare.stderr}`, /outputHelp/);
});
