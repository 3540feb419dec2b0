import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { DataDirectoryError, openDataDirectory } from "../src/data-directory.ts";
import { SKIPPED } from "./tools/tools.ts";

async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "layerd-data-"));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

function open(path: string) {
  return openDataDirectory({ path, durability: "full" });
}

/** Another process that holds the directory. Ended with the test. */
async function holder(t: ExecutionContext, path: string): Promise<ChildProcess> {
  const script = join(import.meta.dirname, "data-directory-holder.ts");
  const child = spawn(process.execPath, [script, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child;
}

test("a data directory is made with its parents, and says what layout it has", async (t) => {
  const path = join(await temporaryDirectory(t), "a/b/data");
  const directory = await open(path);
  t.is(directory.path, path);
  t.is(await readFile(join(path, "layout.json"), "utf8"), '{"version":1}\n');
  t.deepEqual((await readdir(path)).sort(), ["layout.json", "lock"]);
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

test("of many processes that open it at once, one gets it", async (t) => {
  const path = await temporaryDirectory(t);
  const script = join(import.meta.dirname, "data-directory-holder.ts");
  const children = Array.from({ length: 5 }, () =>
    spawn(process.execPath, [script, path], { stdio: "pipe" }),
  );
  const outcomes = children.map(async (child) => {
    t.teardown(() => child.kill("SIGKILL"));
    const errors: string[] = [];
    child.stderr.on("data", (chunk) => errors.push(String(chunk)));
    const first = await Promise.race([once(child.stdout, "data"), once(child, "close")]);
    return Buffer.isBuffer(first[0]) ? "open" : errors.join("");
  });
  const answers = await Promise.all(outcomes);
  t.is(answers.filter((answer) => answer === "open").length, 1);
  for (const answer of answers) if (answer !== "open") t.regex(answer, /is in use by/);
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
