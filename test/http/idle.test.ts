import { once } from "node:events";
import { connect } from "node:net";
import test from "ava";
import { startServer } from "../tools/server.ts";

const NOWHERE = "/v2/team/app/blobs/uploads/00000000-0000-0000-0000-000000000000";

for (const [what, method, path, body, status] of [
  ["with a body that was refused unread", "PATCH", NOWHERE, "x", 404],
  ["with a body that was refused", "PUT", "/v2/team/app/manifests/v1", "{}", 400],
  ["with a body that was stored", "POST", "/layer", "hello", 201],
  ["without a body", "PATCH", NOWHERE, "", 404],
] as const) {
  test(`a connection that is idle after a request ${what} is closed`, async (t) => {
    const { url } = await startServer(t, { idleTimeout: 300 });
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    t.teardown(() => socket.destroy());
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    const length = `Content-Length: ${body.length}`;
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${length}\r\n\r\n${body}`);
    await once(socket, "close");
    t.regex(answer, new RegExp(`^HTTP/1.1 ${status} `));
  });
}
