import { access, appendFile, readdir, readFile, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { AuditFile } from "../../src/audit/audit-file.ts";
import { AuditLog } from "../../src/audit/audit-log.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import type { Commit } from "../../src/index/port.ts";
import { digest, LIBRARY, TestLog, tag } from "../index/samples.ts";
import { temporaryDirectory } from "../tools/server.ts";

const ROTATION = { maxSize: 1e9, keep: 3 };

async function openLog(...args: Parameters<typeof AuditFile.open>): Promise<AuditLog> {
  return new AuditLog(await AuditFile.open(...args));
}

/** A commit that can be told from others by its tag. */
function commit(number: number): Commit {
  const change = { type: "tagSet", tag: tag(`v${number}`), digest: digest(number), was: null } as const;
  const at = new Date(0).toISOString();
  return { at, who: "ann", request: "r-1", repository: LIBRARY, changes: [change] };
}

/** The files of an audit log, the oldest first. */
async function filesOf(path: string): Promise<string[]> {
  const names = (await readdir(dirname(path))).filter((name) => name.startsWith(basename(path)));
  const age = (name: string) => Number(name.slice(basename(path).length + 1));
  return names.sort((a, b) => age(b) - age(a)).map((name) => join(dirname(path), name));
}

/** The tags of all lines. Throws when one is torn. */
async function tagsIn(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  return texts.flatMap((text) => {
    if (text !== "" && !text.endsWith("\n")) throw new Error("the last line has no end");
    return text.split("\n").flatMap((line) => (line === "" ? [] : JSON.parse(line).tag));
  });
}

async function pathFor(t: ExecutionContext): Promise<string> {
  return join(await temporaryDirectory(t), "audit.jsonl");
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

test("a line says when, who, by which request, where, and from what to what", async (t) => {
  const path = await pathFor(t);
  const log = await openLog(path, { ...ROTATION, log: new TestLog() });
  log.committed(commit(1));
  log.removed({ what: "blob", digest: digest(2), size: 5 });
  log.removed({ what: "quarantine", digest: digest(3), size: 6 });
  log.quarantined({ digest: digest(4), size: 7, file: "/data/quarantine/x" });
  await log.close();
  const [first = "", second = "", third = "", fourth = ""] = (await readFile(path, "utf8")).split("\n");
  t.is(
    first,
    `{"at":"1970-01-01T00:00:00.000Z","who":"ann","request":"r-1","repository":"library",` +
      `"action":"tag","tag":"v1","from":null,"to":"${digest(1)}"}`,
  );
  t.like(JSON.parse(second), { who: "gc", action: "discard-blob", digest: digest(2), size: 5 });
  t.like(JSON.parse(third), {
    who: "gc",
    action: "purge-blob",
    from: "quarantine",
    digest: digest(3),
    size: 6,
  });
  const { at: _, ...moved } = JSON.parse(fourth);
  const file = "/data/quarantine/x";
  t.deepEqual(moved, { who: "scrub", action: "quarantine-blob", digest: digest(4), size: 7, file });
});

test("a mounted blob is told from one that was sent", async (t) => {
  const path = await pathFor(t);
  const log = await openLog(path, { ...ROTATION, log: new TestLog() });
  const linked = { type: "blobLinked", digest: digest(1), size: 1, mediaType: "a/b" } as const;
  const from = parseRepositoryName("team/app");
  log.committed({ ...commit(1), changes: [linked] });
  log.committed({ ...commit(1), changes: [linked], mount: { from } });
  await log.close();
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  t.deepEqual(
    lines.map((line) => [JSON.parse(line).action, JSON.parse(line).from]),
    [
      ["link-blob", undefined],
      ["mount-blob", "team/app"],
    ],
  );
});

test("rotation under load loses no line, tears none, and keeps their order", async (t) => {
  const path = await pathFor(t);
  const log = await openLog(path, { maxSize: 10_000, keep: 1000, log: new TestLog() });
  for (const number of numbers(3000)) {
    log.committed(commit(number));
    if (number % 37 === 0) await new Promise(setImmediate);
  }
  await log.close();
  const files = await filesOf(path);
  t.true(files.length > 50);
  t.deepEqual(
    await tagsIn(files),
    numbers(3000).map((number) => `v${number}`),
  );
  for (const file of files) t.true((await stat(file)).size <= 10_000);
});

test("no more files are kept than was asked for, and the latest ones are", async (t) => {
  const path = await pathFor(t);
  const log = await openLog(path, { maxSize: 2000, keep: 3, log: new TestLog() });
  for (const number of numbers(500)) log.committed(commit(number));
  await log.close();
  const files = await filesOf(path);
  t.deepEqual(
    files.map((file) => basename(file)),
    ["audit.jsonl.3", "audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"],
  );
  const tags = await tagsIn(files);
  t.deepEqual(
    tags,
    numbers(500)
      .slice(-tags.length)
      .map((number) => `v${number}`),
  );
});

test("who moves the file away loses no line: the next ones go to a new file", async (t) => {
  const path = await pathFor(t);
  const log = await openLog(path, { ...ROTATION, log: new TestLog() });
  for (const number of numbers(2000)) {
    log.committed(commit(number));
    if (number !== 1000) continue;
    await new Promise(setImmediate);
    await rename(path, `${path}.moved`);
    await log.reopen();
  }
  await log.close();
  const tags = await tagsIn([`${path}.moved`, path]);
  t.deepEqual(
    tags,
    numbers(2000).map((number) => `v${number}`),
  );
  t.not(await readFile(path, "utf8"), "");
});

test("only its owner may read it, and what was there stays", async (t) => {
  const path = await pathFor(t);
  for (const number of [1, 2]) {
    const log = await openLog(path, { ...ROTATION, log: new TestLog() });
    log.committed(commit(number));
    await log.close();
  }
  t.is((await stat(path)).mode & 0o777, 0o600);
  t.deepEqual(await tagsIn([path]), ["v1", "v2"]);
});

test("a line that a crash has cut short is followed by whole ones", async (t) => {
  const path = await pathFor(t);
  await appendFile(path, '{"at":"2026-');
  const log = await openLog(path, { ...ROTATION, log: new TestLog() });
  log.committed(commit(1));
  await log.close();
  const [torn, line = ""] = (await readFile(path, "utf8")).split("\n");
  t.is(torn, '{"at":"2026-');
  t.is(JSON.parse(line).tag, "v1");
});

test("a full disk is complained of once, and holds nobody up", async (t) => {
  if (
    !(await access("/dev/full").then(
      () => true,
      () => false,
    ))
  ) {
    t.pass("this system has no /dev/full");
    return;
  }
  const trouble = new TestLog();
  const log = await openLog("/dev/full", { maxSize: 100, keep: 1, log: trouble });
  for (const number of numbers(10)) {
    log.committed(commit(number));
    await new Promise(setImmediate);
  }
  await log.close();
  t.deepEqual(
    trouble.errors.map(({ message }) => message),
    [
      "the audit log cannot be written: its lines wait",
      "lines of the audit log are lost: it could not be written",
    ],
  );
  t.is(log.lost, 10);
});

test("an audit log whose directory is not there is not opened", async (t) => {
  const path = join(await temporaryDirectory(t), "nowhere", "audit.jsonl");
  await t.throwsAsync(openLog(path, { ...ROTATION, log: new TestLog() }), { code: "ENOENT" });
});
