import { spawn, spawnSync } from "node:child_process";
import { delimiter, resolve } from "node:path";
import { createInterface } from "node:readline";
import { styleText } from "node:util";
import { ARRANGEMENT, sharing } from "./arrangement.ts";
import { Postgres, SHARED } from "./postgres.ts";
import { S3Server } from "./s3-server.ts";
import { readTap, type TapTest } from "./tap.ts";
import { findTool } from "./tools.ts";

/*
 * Every check there is: lint, types, tests. The last line alone says how many passed, failed and were skipped.
 * Arguments go to ava: files to run, --match, …
 */

const root = resolve(import.meta.dirname, "../..");
const env = { ...process.env, PATH: [resolve(root, "node_modules/.bin"), process.env.PATH].join(delimiter) };
const marks = {
  passed: styleText("green", "✔"),
  failed: styleText("red", "✘"),
  skipped: styleText("yellow", "-"),
} as const;

/** One program as one check; what it has to say is shown when it fails. */
function check(title: string, command: string, ...args: readonly string[]): TapTest {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, env, encoding: "utf8" });
  const outcome = status === 0 ? "passed" : "failed";
  return { title, outcome, reason: undefined, details: outcome === "passed" ? [] : [stdout, stderr] };
}

async function* ava(args: readonly string[], more: NodeJS.ProcessEnv = {}): AsyncIterable<TapTest> {
  const child = spawn("ava", ["--tap", ...args], {
    cwd: root,
    env: { ...env, ...more },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<number | null>((done) => child.once("close", done));
  let failures = 0;
  for await (const test of readTap(createInterface({ input: child.stdout }), say)) {
    if (test.outcome === "failed") failures += 1;
    yield test;
  }
  const code = await exited;
  if (code === 0 || failures > 0) return;
  yield { title: "ava", outcome: "failed", reason: undefined, details: [`it ended with ${code}`] };
}

async function* everything(args: readonly string[]): AsyncIterable<TapTest> {
  yield check("lint: biome check", "biome", "check", "--error-on-warnings", "--max-diagnostics=100", ".");
  yield check("types: tsc", "tsc", "--noEmit");
  const postgres = await Postgres.start();
  const shared = { [SHARED]: String(postgres.port) };
  try {
    yield* ava(args, shared);
    if (args.length === 0) yield* onOtherEngines(shared);
  } finally {
    await postgres.remove();
  }
}

const HTTP_TESTS = ["v2/*", "layers", "manifests", "resumable"].map((name) => `test/http/${name}.test.ts`);

/** What clients are promised once more: with the index in PostgreSQL, and then with the blobs in S3, too. */
async function* onOtherEngines(shared: NodeJS.ProcessEnv): AsyncIterable<TapTest> {
  yield* arrangedAs("postgres", shared);
  if (findTool("versitygw") === undefined) {
    yield { title: "s3", outcome: "skipped", reason: "versitygw is missing: run .ci/setup", details: [] };
    return;
  }
  const s3 = await S3Server.start();
  try {
    yield* arrangedAs("s3", { ...shared, ...sharing(s3) });
  } finally {
    await s3.remove();
  }
}

async function* arrangedAs(arrangement: string, shared: NodeJS.ProcessEnv): AsyncIterable<TapTest> {
  const tests = ava(HTTP_TESTS, { ...shared, [ARRANGEMENT]: arrangement });
  for await (const test of tests) yield { ...test, title: `${arrangement} › ${test.title}` };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function show({ title, outcome, reason, details }: TapTest): void {
  say(`${marks[outcome]} ${title}${reason === undefined ? "" : ` (${reason})`}`);
  if (outcome === "failed") for (const line of details) say(line);
}

async function main(args: readonly string[]): Promise<void> {
  const tests: TapTest[] = [];
  for await (const test of everything(args)) {
    tests.push(test);
    show(test);
  }
  const of = (outcome: TapTest["outcome"]) => tests.filter((test) => test.outcome === outcome);
  const [passed, failed, skipped] = [of("passed"), of("failed"), of("skipped")];
  say("");
  for (const reason of new Set(skipped.flatMap((test) => test.reason ?? []))) say(`skipped: ${reason}`);
  for (const { title } of failed) say(`failed: ${title}`);
  const counts = [`${passed.length} passed`, `${failed.length} failed`];
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  say(counts.join(", "));
  process.exitCode = failed.length > 0 || passed.length === 0 ? 1 : 0;
}

await main(process.argv.slice(2));
