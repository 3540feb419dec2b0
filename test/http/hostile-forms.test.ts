import { createHash } from "node:crypto";
import { connect } from "node:net";
import test from "ava";
import { json } from "../tools/json.ts";
import { readUntil } from "../tools/raw.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../tools/server.ts";

const FILE = '--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n';
const FIELD = '--b\r\nContent-Disposition: form-data; name="x"\r\n';
const MORE = `${FILE}\r\nmore\r\n`.repeat(20);

function post(url: string, body: string) {
  const headers = { "Content-Type": "multipart/form-data; boundary=b" };
  return fetch(`${url}/layer`, { method: "POST", body, headers });
}

for (const [what, body, status] of [
  ["whose part has a type that is none", `${FILE}Content-Type: nonsense\r\n\r\nhi\r\n${MORE}--b--\r\n`, 415],
  ["with a part in base64", `${FILE}Content-Transfer-Encoding: base64\r\n\r\n####\r\n--b--\r\n`, 415],
  ["with a field in 7bit", `${FIELD}Content-Transfer-Encoding: 7bit\r\n\r\nv\r\n--b--\r\n`, 400],
  ["with a field after a file", `${FILE}\r\nhello\r\n${FIELD}\r\nv\r\n--b--\r\n`, 400],
  ["with a typed field", `${FIELD}Content-Type: application/json\r\n\r\n{}\r\n--b--\r\n`, 400],
  ["without a boundary in it", "hello", 400],
] as const) {
  test(`a form ${what} is ${status}, stores nothing and ends nobody`, async (t) => {
    const { url, data } = await startServer(t);
    const answer = await post(url, body);
    t.is(answer.status, status);
    t.truthy((await json(answer)).errors[0].message);
    t.deepEqual(await storedBlobs(data), []);
    t.deepEqual(await unfinishedUploads(data), []);
    t.is((await post(url, `${FILE}\r\nhello\r\n--b--\r\n`)).status, 201);
  });
}

test("a form whose part has headers without end is refused before they fill the memory", async (t) => {
  const { port } = await startServer(t);
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(
    "POST /layer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n" +
      `Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: ${"x".repeat(500_000)}`,
  );
  t.regex(await readUntil(socket, "\r\n\r\n"), /^HTTP\/1.1 400 /);
  socket.destroy();
});

test("a form with a file larger than layers may be is 413", async (t) => {
  const { url, data } = await startServer(t, { maxLayerSize: 1000 });
  t.is((await post(url, `${FILE}\r\n${"x".repeat(2000)}\r\n--b--\r\n`)).status, 413);
  t.deepEqual(await unfinishedUploads(data), []);
});

test("a form that a client marks as resumable is an ordinary form", async (t) => {
  const { url } = await startServer(t);
  const send = (complete: string) =>
    fetch(`${url}/layer`, {
      method: "POST",
      body: `${FILE}\r\nhello\r\n--b--\r\n`,
      headers: { "Content-Type": "multipart/form-data; boundary=b", "Upload-Complete": complete },
    });
  const [layer] = await json(await send("?1"));
  t.is(layer.size, 5);
  t.is((await send("?0")).status, 415);
});

test("a file name that is too long is cut where no character breaks, and the layer can be read", async (t) => {
  const { url } = await startServer(t);
  const name = `${"x".repeat(254)}😀.tar`;
  const [layer] = await json(
    await post(
      url,
      `--b\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\nhello\r\n--b--\r\n`,
    ),
  );
  t.is(layer.name, "x".repeat(254));
  t.is((await fetch(`${url}/layer/${layer.id}`)).status, 200);
});

test("a file name loses what turns or hides text", async (t) => {
  const { url } = await startServer(t);
  const bytes = "hidden";
  const digest = createHash("sha256").update(bytes).digest("hex");
  const encoded = encodeURIComponent("a\u202e\u200f\u2028\u0007gpj.exe");
  await fetch(`${url}/layer`, {
    method: "POST",
    body: bytes,
    headers: { "Content-Disposition": `attachment; filename*=UTF-8''${encoded}` },
  });
  const { headers } = await fetch(`${url}/layer/${digest}`, { method: "HEAD" });
  t.regex(headers.get("content-disposition") ?? "", /filename="?agpj\.exe"?$/);
});
