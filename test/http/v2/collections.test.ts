import { setTimeout as delay } from "node:timers/promises";
import test from "ava";
import { startServer } from "../../tools/server.ts";
import { Client, sha256 } from "./client.ts";

const GRACE = 1000;

for (const view of ["v2/team/app/manifests", "manifest"]) {
  test(`whoever has read /${view}/… pulls its blobs, although the image is deleted and collected meanwhile`, async (t) => {
    const { url } = await startServer(t, {
      ...{ gcInterval: 20, gcGrace: GRACE, repository: "team/app" },
      rules: [{ repositories: "**", keepUnused: "1s" }],
    });
    const client = new Client(url);
    for (let tries = 0; tries < 5; tries += 1) {
      const content = `layer ${tries}`;
      const manifest = await client.pushImage(content, { tag: "v1" });
      // Until what the push was promised has ended.
      await delay(2.2 * GRACE);
      const since = Date.now();
      t.is((await fetch(`${url}/${view}/v1`)).status, 200);
      t.is(await client.status("DELETE", `manifests/${sha256(manifest)}`), 202);
      // Until a collection has been there.
      await delay(200);
      const status = await client.status("GET", `blobs/${sha256(content)}`);
      // A machine that was so slow that the promise has ended shows nothing.
      if (Date.now() - since < GRACE) return t.is(status, 200);
    }
    return t.fail("the machine is too slow");
  });
}
