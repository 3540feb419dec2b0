import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { serve } from "../cli/command.ts";
import { eventually } from "../tools/eventually.ts";
import { temporaryDirectory, unfinishedUploads } from "../tools/server.ts";
import { fuzz } from "./fuzz.ts";

for (const kind of ["memory", "files"] as const) {
  test(`thousands of requests that nobody would write: no 500, nothing left open (${kind})`, async (t) => {
    const data = join(await temporaryDirectory(t), "data");
    const store = kind === "memory" ? ["--memory"] : ["--data", data, "--durability", "os"];
    const server = await serve(t, [...store, "--log-format", "json"]);
    const open = async () => (await readdir(`/proc/${server.child.pid}/fd`)).length;
    const seed = Date.now() % 1_000_000;
    t.log(`seed ${seed}`);
    await fuzz(server.port, { seed: seed + 1, count: 200, connections: 8 });
    const before = await open();
    const { statuses, faults } = await fuzz(server.port, { seed, count: 4000, connections: 8 });
    t.deepEqual(faults, []);
    for (const status of [200, 201, 400, 404, 405]) t.true((statuses.get(status) ?? 0) > 0, String(status));
    await eventually(async () => (await open()) <= before + 8);
    // An upload that has a record can be gone on with.
    const left = kind === "files" ? await unfinishedUploads(data) : [];
    t.deepEqual(
      left.filter((name) => !left.includes(`${name.replace(/\.json$/, "")}.json`)),
      [],
    );
    server.child.kill("SIGTERM");
    t.is((await server.ended).code, 0);
  });
}
