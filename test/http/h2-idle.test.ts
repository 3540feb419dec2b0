import { once } from "node:events";
import test from "ava";
import { eventually } from "../tools/eventually.ts";
import { unfinishedUploads } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";
import { answerOf, ask, connectTo, startSecureServer } from "./h2-server.ts";

/* Alone in their file: what others do in the same process must not keep these from sending in time. */

const IDLE = 1500;
const POST = { ":method": "POST", ":path": "/layer" };

test.serial(
  "an upload that goes on slowly keeps its connection, which is closed when it idles",
  async (t) => {
    if (!requireTool(t, "openssl")) return;
    const to = await startSecureServer(t, { idleTimeout: IDLE });
    const session = await connectTo(t, to);
    const upload = session.request(POST);
    const started = performance.now();
    let last = started;
    let pause = 0;
    while (last - started < 2 * IDLE) {
      upload.write("x");
      await new Promise((resolve) => setTimeout(resolve, 50));
      pause = Math.max(pause, performance.now() - last);
      last = performance.now();
    }
    const answered = answerOf(upload);
    upload.end();
    t.is((await answered).status, 201, `the longest pause was ${pause} ms`);
    await once(session, "close");
    t.deepEqual(to.errors, []);
  },
);

test.serial(
  "an upload that stands still is reset, and its connection stays with those that move",
  async (t) => {
    if (!requireTool(t, "openssl")) return;
    const to = await startSecureServer(t, { idleTimeout: IDLE });
    const session = await connectTo(t, to);
    const stalled = session.request(POST);
    stalled.write("x");
    const answered = answerOf(stalled);
    while (!stalled.closed) {
      t.is((await ask(session, { ":path": "/healthz" })).status, 200);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // RFC 9113 §7: CANCEL.
    t.like(await answered, { status: undefined, code: 8 });
    await eventually(async () => (await unfinishedUploads(to.data)).length === 0);
    t.is((await ask(session, { ":path": "/healthz" })).status, 200);
    t.deepEqual(to.errors, []);
  },
);
