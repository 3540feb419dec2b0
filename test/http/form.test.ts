import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import test from "ava";
import { json } from "../tools/json.ts";
import { startServer, storedBlobs, unfinishedUploads } from "../tools/server.ts";

test("the files of a form become layers, in the order sent", async (t) => {
  const { url } = await startServer(t);
  const form = new FormData();
  const contents = ["first", "", "x".repeat(300_000)] as const;
  for (const [at, text] of contents.entries()) form.append("file", new File([text], `f${at}.bin`));
  const posted = await fetch(`${url}/layer`, { method: "POST", body: form });
  const layers = await json(posted);
  t.is(posted.status, 201);
  t.deepEqual(
    layers.map((layer: { name: string; size: number }) => [layer.name, layer.size]),
    contents.map((text, at) => [`f${at}.bin`, text.length]),
  );
  t.is(await (await fetch(`${url}/layer/${layers[2].id}`)).text(), contents[2]);
});

test("a file without a Content-Type is a file all the same", async (t) => {
  const { url } = await startServer(t);
  const body = '--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhello\r\n--b--\r\n';
  const headers = { "Content-Type": "multipart/form-data; boundary=b" };
  const posted = await fetch(`${url}/layer`, { method: "POST", body, headers });
  t.is(posted.status, 201);
  t.is((await json(posted))[0].size, 5);
});

for (const [what, body] of [
  ["without a file", "--b--\r\n"],
  ["that breaks off", '--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhel'],
  ["with a field", '--b\r\nContent-Disposition: form-data; name="digest"\r\n\r\nx\r\n--b--\r\n'],
] as const) {
  test(`a form ${what} is refused and stores nothing`, async (t) => {
    const { url, data } = await startServer(t);
    const before = await readdir(tmpdir());
    const headers = { "Content-Type": "multipart/form-data; boundary=b" };
    const posted = await fetch(`${url}/layer`, { method: "POST", body, headers });
    t.true(posted.status === 400 || posted.status === 413, String(posted.status));
    t.truthy((await json(posted)).errors[0].message);
    t.deepEqual(await storedBlobs(data), []);
    t.deepEqual(await unfinishedUploads(data), []);
    t.deepEqual(
      (await readdir(tmpdir())).filter((name) => /^[a-z0-9]{25}$/.test(name) && !before.includes(name)),
      [],
    );
  });
}
