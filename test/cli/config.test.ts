import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { temporaryDirectory } from "../tools/server.ts";
import { run } from "./command.ts";

test("config shows what is in force and where it came from", async (t) => {
  const file = join(await temporaryDirectory(t), "layerd.json");
  await writeFile(file, '{"data": "/srv/layers"}');
  const env = { LAYERD_MEMORY: "true", LAYERD_CONFIG: file };
  const { code, stdout, stderr } = await run(t, ["config", "--port", "80", "--no-memory"], { env });
  t.is(code, 0);
  t.is(stderr, "");
  const rows = Object.fromEntries(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}/))
      .map(([key, ...rest]) => [key, rest]),
  );
  t.deepEqual(rows.port, ["80", "--port"]);
  t.deepEqual(rows.memory, ["false", "--no-memory"]);
  t.deepEqual(rows.data, ["/srv/layers", file]);
  t.deepEqual(rows.durability, ["full", "default"]);
});

test("config --json is for programs", async (t) => {
  const args = ["config", "--json", "--allowed-host", "a.test", "--allowed-host", "b.test,c.test"];
  const { stdout } = await run(t, args, { env: { LAYERD_MIN_FREE: "1MiB" } });
  const shown = JSON.parse(stdout);
  t.deepEqual(shown.minFree, { value: 1_048_576, from: { kind: "environment", name: "LAYERD_MIN_FREE" } });
  t.deepEqual(shown.allowedHosts.value, ["a.test", "b.test", "c.test"]);
});
