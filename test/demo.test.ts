import { execFile } from "node:child_process";
import { promisify } from "node:util";
import test from "ava";
import { cleanEnvironment } from "./tools/process.ts";
import { requireTool } from "./tools/tools.ts";

const run = promisify(execFile);

test("the walk-through of `make demo` works as it is written", async (t) => {
  if (!requireTool(t, "curl") || !requireTool(t, "tar")) return;
  const { stdout, stderr } = await run("bash", ["docs/demo.sh"], { env: cleanEnvironment() });
  t.is(stderr, "");
  for (const sign of ["Upload-Offset: 3000000", "ustar", "identical", '"tag": "latest"']) {
    t.true(stdout.includes(sign), sign);
  }
  t.deepEqual(stdout.trimEnd().split("\n").slice(-6), [
    "etc/",
    "etc/os-release",
    "srv/",
    "srv/hello.txt",
    "data/",
    "data/numbers",
  ]);
});
