import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import test from "ava";
import { settingsTable } from "../src/config/describe.ts";
import { temporaryDirectory } from "./tools/server.ts";

/* What the documents show is run. */

test("the example of docs/embedding.md works as it stands there", async (t) => {
  const directory = await temporaryDirectory(t);
  const example = /```js\n([\s\S]*?)```/.exec(await readFile("docs/embedding.md", "utf8"))?.[1] ?? "";
  await mkdir(join(directory, "node_modules"));
  for (const name of ["koa", "koa-mount"]) {
    await symlink(resolve("node_modules", name), join(directory, "node_modules", name));
  }
  const source = example.replace('"layerd"', JSON.stringify(resolve("src/index.ts")));
  await writeFile(join(directory, "app.mjs"), source);
  const child = spawn(process.execPath, ["app.mjs"], {
    cwd: directory,
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise((done) => child.once("exit", (code) => done(code)));
  t.teardown(() => child.kill("SIGKILL"));
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const url = `http://127.0.0.1:${/^listening on port (\d+)$/.exec(line)?.[1]}`;
  t.is(await (await fetch(`${url}/elsewhere`)).text(), "the rest of the application");
  t.is((await fetch(`${url}/store/layer`, { method: "POST", body: "x" })).status, 403);
  const headers = { Authorization: "Bearer secret-of-ann" };
  const posted = await fetch(`${url}/store/layer`, { method: "POST", body: "x", headers });
  t.is(posted.status, 201);
  t.is(await (await fetch(`${url}${posted.headers.get("location")}`)).text(), "x");
  child.kill("SIGTERM");
  t.is(await exited, 0);
});

test("the README's table of settings is the one in force", async (t) => {
  const readme = await readFile("README.md", "utf8");
  const table = /<!-- settings:[^>]*-->\n\n([\s\S]*?)\n<!-- \/settings -->/.exec(readme)?.[1];
  t.is(table, settingsTable());
});

test("every link between the documents leads somewhere", async (t) => {
  for (const file of [
    "README.md",
    "CONTRIBUTING.md",
    ...(await readdir("docs", { recursive: true })).map((name) => `docs/${name}`),
  ]) {
    if (!file.endsWith(".md")) continue;
    for (const [, target = ""] of (await readFile(file, "utf8")).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^https?:/.test(target)) continue;
      await t.notThrowsAsync(access(join(dirname(file), target)), `${file} → ${target}`);
    }
  }
});

test("every dependency is explained, and nothing else is", async (t) => {
  const { dependencies, devDependencies } = JSON.parse(await readFile("package.json", "utf8"));
  const names = Object.keys({ ...dependencies, ...devDependencies }).map((name) =>
    name.startsWith("@types/") ? "@types/*" : name,
  );
  const text = await readFile("docs/dependencies.md", "utf8");
  const explained = [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  t.deepEqual(explained.sort(), [...new Set(names)].sort());
});
