import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { DataDirectoryError, DataDirectoryInUseError, openDataDirectory } from "../src/data-directory.ts";
import { SKIPPED } from "./tools/tools.ts";

async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "layerd-data-"));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

function open(path: string) {
  return openDataDirectory({ path, durability: "full" });
}

function share(path: string) {
  return openDataDirectory({ path, durability: "full", shared: true });
}

/** Another process that holds the directory. Ended with the test. */
async function holder(
  t: ExecutionContext,
  path: string,
  how: "alone" | "shared" = "alone",
): Promise<ChildProcess> {
  const script = join(import.meta.dirname, "data-directory-holder.ts");
  const child = spawn(process.execPath, [script, path, how], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child;
}

test("a data directory is made with its parents, and says what layout it has", async (t) => {
  const path = join(await temporaryDirectory(t), "a/b/data");
  const directory = await open(path);
  t.is(directory.path, path);
  t.is(await readFile(join(path, "layout.json"), "utf8"), '{"version":1}\n');
  t.deepEqual((await readdir(path)).sort(), ["layout.json", "lock", "lock.shared"]);
  await directory.close();
});

test("it can be opened again once it was closed, and closed twice", async (t) => {
  const path = await temporaryDirectory(t);
  for (let time = 0; time < 3; time++) {
    const directory = await open(path);
    await directory.close();
    await directory.close();
  }
  t.pass();
});

test("a second opening in the same process is refused, and names the process", async (t) => {
  const path = await temporaryDirectory(t);
  const directory = await open(path);
  const error = await t.throwsAsync(open(path), { instanceOf: DataDirectoryError });
  t.true(error.message.includes(path), error.message);
  t.true(error.message.includes(`process ${process.pid} on ${hostname()}, since 20`), error.message);
  t.false(error.message.includes("\n"));
  await directory.close();
});

test("a directory that another process holds is refused, and the error names that process", async (t) => {
  const path = await temporaryDirectory(t);
  const child = await holder(t, path);
  for (let time = 0; time < 2; time++) {
    const error = await t.throwsAsync(open(path), { instanceOf: DataDirectoryError });
    t.true(error.message.includes(`process ${child.pid} on ${hostname()}, since 20`), error.message);
  }
});

test("a holder that was killed holds nothing any more", async (t) => {
  const path = await temporaryDirectory(t);
  const child = await holder(t, path);
  await t.throwsAsync(open(path), { instanceOf: DataDirectoryError });
  child.kill("SIGKILL");
  await once(child, "exit");
  const directory = await open(path);
  await directory.close();
});

/** What processes say that open it at once, each in its way: `open`, or why not. */
async function openedAtOnce(t: ExecutionContext, path: string, ways: readonly string[]): Promise<string[]> {
  const script = join(import.meta.dirname, "data-directory-holder.ts");
  const outcomes = ways.map(async (how) => {
    const child = spawn(process.execPath, [script, path, how], { stdio: "pipe" });
    t.teardown(() => child.kill("SIGKILL"));
    const errors: string[] = [];
    child.stderr.on("data", (chunk) => errors.push(String(chunk)));
    const first = await Promise.race([once(child.stdout, "data"), once(child, "close")]);
    return Buffer.isBuffer(first[0]) ? "open" : errors.join("");
  });
  return await Promise.all(outcomes);
}

test("of many processes that open it at once, one gets it", async (t) => {
  const path = await temporaryDirectory(t);
  const answers = await openedAtOnce(t, path, Array(5).fill("alone"));
  t.is(answers.filter((answer) => answer === "open").length, 1);
  for (const answer of answers) if (answer !== "open") t.regex(answer, /is in use by/);
});

test("many processes that open it at once to share it all get it", async (t) => {
  const path = await temporaryDirectory(t);
  const answers = await openedAtOnce(t, path, Array(8).fill("shared"));
  t.deepEqual(answers, Array(8).fill("open"));
});

test("of processes that open it at once in both ways, one gets it, or those that share it do", async (t) => {
  const path = await temporaryDirectory(t);
  const ways = Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? "alone" : "shared"));
  const answers = await openedAtOnce(t, path, ways);
  const open = ways.filter((_, i) => answers[i] === "open");
  t.true(open.length > 0, answers.join("\n"));
  t.true(open.every((how) => how === "shared") || open.length === 1, open.join());
  for (const answer of answers) if (answer !== "open") t.regex(answer, /is in use by/);
});

test("who wants it alone is refused while others share it, and told of the last of them", async (t) => {
  const path = await temporaryDirectory(t);
  const [first, last] = [await holder(t, path, "shared"), await holder(t, path, "shared")];
  const own = await share(path);
  await own.close();
  for (const child of [last, first]) {
    const error = await t.throwsAsync(open(path), { instanceOf: DataDirectoryInUseError });
    t.regex(
      error.message,
      /is in use by processes that share it \(the last to come was process \d+ on .*, since 20/,
    );
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await (await open(path)).close();
});

test("who would share it is refused while another has it alone, and told who", async (t) => {
  const path = await temporaryDirectory(t);
  await (await share(path)).close();
  const child = await holder(t, path);
  const error = await t.throwsAsync(share(path), { instanceOf: DataDirectoryInUseError });
  t.true(
    error.message.includes(`is in use by process ${child.pid} on ${hostname()}, since 20`),
    error.message,
  );
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await share(path)).close();
});

test("it is shared within one process, too", async (t) => {
  const path = await temporaryDirectory(t);
  const [first, second] = await Promise.all([share(path), share(path)]);
  await t.throwsAsync(open(path), { instanceOf: DataDirectoryInUseError });
  await first?.close();
  await t.throwsAsync(open(path), { instanceOf: DataDirectoryInUseError });
  await second?.close();
  await second?.close();
  await (await open(path)).close();
});

/** Starts a holder as process 1 of a namespace of its own, as in a container; `undefined` where that is not allowed. */
async function container(path: string): Promise<{ child: ChildProcess; said: string } | undefined> {
  const script = join(import.meta.dirname, "data-directory-holder.ts");
  const namespace = ["--pid", "--fork", "--kill-child", "--mount-proc"];
  if (spawnSync("unshare", [...namespace, "true"]).status !== 0) return undefined;
  const child = spawn("unshare", [...namespace, process.execPath, script, path], { stdio: "pipe" });
  const errors: string[] = [];
  child.stderr.on("data", (chunk) => errors.push(String(chunk)));
  const [first] = await Promise.race([once(child.stdout, "data"), once(child, "close")]);
  return { child, said: Buffer.isBuffer(first) ? String(first) : errors.join("") };
}

test("between containers, where every server is process 1, the lock holds, and a kill frees it at once", async (t) => {
  const path = await temporaryDirectory(t);
  const first = await container(path);
  if (first === undefined) {
    t.log(`${SKIPPED}making a PID namespace needs the rights of root, and unshare`);
    t.pass();
    return;
  }
  t.teardown(() => first.child.kill("SIGKILL"));
  t.is(first.said, "open\n");
  const second = await container(path);
  t.teardown(() => second?.child.kill("SIGKILL"));
  t.regex(second?.said ?? "", /is in use by process 1 on /);
  await t.throwsAsync(open(path), { message: /is in use by process 1 on / });
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  const third = await container(path);
  t.teardown(() => third?.child.kill("SIGKILL"));
  t.is(third?.said, "open\n");
});

test("a layout of a later version is refused, and left alone", async (t) => {
  const path = await temporaryDirectory(t);
  await writeFile(join(path, "layout.json"), '{"version":2}\n');
  const error = await t.throwsAsync(open(path), { instanceOf: DataDirectoryError });
  t.regex(error.message, /has layout 2, written by a newer layerd/);
  t.is(await readFile(join(path, "layout.json"), "utf8"), '{"version":2}\n');
  await writeFile(join(path, "layout.json"), '{"version":1}\n');
  // The refusal has let go of the lock.
  await (await open(path)).close();
});

test("a layout that makes no sense is refused in a sentence", async (t) => {
  const path = await temporaryDirectory(t);
  for (const text of ["", "{", "[]", "null", '{"version":"1"}']) {
    await writeFile(join(path, "layout.json"), text);
    const error = await t.throwsAsync(open(path), { instanceOf: DataDirectoryError });
    t.true(error.message.startsWith(join(path, "layout.json")), error.message);
  }
});

test("a path that cannot be a directory is refused in a sentence", async (t) => {
  const base = await temporaryDirectory(t);
  await writeFile(join(base, "file"), "");
  const file = await t.throwsAsync(open(join(base, "file")), { instanceOf: DataDirectoryError });
  t.is(
    file.message,
    `the data directory ${join(base, "file")} cannot be written: there is a file of that name`,
  );
  const below = await t.throwsAsync(open(join(base, "file/data")), { instanceOf: DataDirectoryError });
  t.regex(below.message, /a file stands where one of its directories should be$/);
});

test("a lock that is not one is refused in a sentence", async (t) => {
  const path = await temporaryDirectory(t);
  await writeFile(join(path, "lock"), "not a database, but long enough to be taken for one".repeat(100));
  const error = await t.throwsAsync(open(path), { instanceOf: DataDirectoryError });
  t.regex(error.message, /lock .* cannot be taken: file is not a database$/);
});
