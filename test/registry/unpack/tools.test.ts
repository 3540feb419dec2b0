import { execFile } from "node:child_process";
import { mkdir, open, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { temporaryDirectory } from "../../tools/server.ts";
import { requireTool } from "../../tools/tools.ts";
import { unpack, unpacked, zstd } from "./streams.ts";

const run = promisify(execFile);
const OUTPUT = { maxBuffer: 256 * 1024 * 1024, encoding: "buffer" } as const;

/** A tree with long names, links, an empty directory, and files with holes. */
async function makeTree(t: ExecutionContext): Promise<string> {
  const root = await temporaryDirectory(t);
  const deep = join(
    root,
    "tree",
    ...Array.from({ length: 12 }, (_, level) => `a-rather-long-directory-${level}`),
  );
  await mkdir(deep, { recursive: true });
  await mkdir(join(root, "tree", "empty"));
  await writeFile(join(deep, "n".repeat(200)), "long name\n");
  await writeFile(join(root, "tree", "grüße.txt"), "not ASCII\n");
  await symlink("l".repeat(300), join(root, "tree", "link"));
  for (const holes of [2, 40]) {
    const file = await open(join(root, "tree", `sparse-${holes}`), "w");
    for (let index = 0; index < holes; index += 1) await file.write("data", index * 1024 * 1024);
    await file.truncate(holes * 1024 * 1024);
    await file.close();
  }
  return root;
}

async function tar(root: string, args: readonly string[]): Promise<Buffer> {
  const { stdout } = await run("tar", ["-C", root, ...args, "-cf", "-", "tree"], OUTPUT);
  return stdout;
}

for (const format of ["gnu", "oldgnu", "pax", "posix"]) {
  test(`archives of GNU tar --format=${format} are accepted, sparse or not`, async (t) => {
    if (!requireTool(t, "tar")) return;
    const root = await makeTree(t);
    for (const args of [[`--format=${format}`], [`--format=${format}`, "--sparse"]]) {
      const bytes = await tar(root, args);
      t.deepEqual(await unpack(bytes), unpacked(bytes));
    }
  });
}

for (const version of ["0.0", "0.1", "1.0"]) {
  test(`sparse files of pax format ${version} are accepted`, async (t) => {
    if (!requireTool(t, "tar")) return;
    const bytes = await tar(await makeTree(t), ["--format=pax", "--sparse", `--sparse-version=${version}`]);
    t.deepEqual(await unpack(bytes), unpacked(bytes));
  });
}

for (const format of ["ustar", "v7"]) {
  test(`archives of GNU tar --format=${format} are accepted`, async (t) => {
    if (!requireTool(t, "tar")) return;
    const root = await temporaryDirectory(t);
    await mkdir(join(root, "tree", "directory"), { recursive: true });
    await writeFile(join(root, "tree", "file"), "content\n");
    const bytes = await tar(root, [`--format=${format}`]);
    t.deepEqual(await unpack(bytes), unpacked(bytes));
  });
}

test("what gzip compressed unpacks to what gzip -d says, members one after the other too", async (t) => {
  if (!requireTool(t, "tar") || !requireTool(t, "gzip")) return;
  const root = await makeTree(t);
  const path = join(root, "layer.tar");
  await writeFile(path, await tar(root, []));
  const { stdout: bytes } = await run("gzip", ["-c", path], OUTPUT);
  const both = join(root, "both.gz");
  await writeFile(both, Buffer.concat([bytes, gzipSync(Buffer.alloc(10_240))]));
  const { stdout: plain } = await run("gzip", ["-dc", both], OUTPUT);
  t.deepEqual(await unpack(await readFile(both)), unpacked(plain));
});

test("what zstd compressed unpacks to what zstd -d says, frames one after the other too", async (t) => {
  if (!requireTool(t, "tar") || !requireTool(t, "zstd")) return;
  const root = await makeTree(t);
  const path = join(root, "layer.tar");
  await writeFile(path, await tar(root, []));
  for (const args of [["-1"], ["-19", "--no-check"], ["--long=27", "--no-content-size"]]) {
    const { stdout: bytes } = await run("zstd", ["-q", "-c", ...args, path], OUTPUT);
    const both = join(root, "both.zst");
    await writeFile(both, Buffer.concat([bytes, zstd(Buffer.alloc(10_240))]));
    const { stdout: plain } = await run("zstd", ["-q", "-dc", both], OUTPUT);
    t.deepEqual(await unpack(await readFile(both)), unpacked(plain));
  }
});
