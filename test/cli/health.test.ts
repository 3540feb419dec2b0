import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import { run, serve } from "./command.ts";

async function answering(t: ExecutionContext, status: number): Promise<number> {
  const server = createServer((req, res) => {
    res.statusCode = req.url === "/readyz" ? status : 404;
    res.end("because");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

test("a server that is ready is healthy", async (t) => {
  const { port, url } = await serve(t, ["--memory"]);
  const ready = { code: 0, stdout: "ready\n", stderr: "" };
  t.deepEqual(await run(t, ["health", "--url", url]), ready);
  t.deepEqual(
    await run(t, ["health"], { env: { LAYERD_PORT: String(port), LAYERD_HOST: "0.0.0.0" } }),
    ready,
  );
});

test("a server that is not ready is not healthy, and it says why", async (t) => {
  const port = await answering(t, 503);
  t.deepEqual(await run(t, ["health", "--port", String(port)]), {
    code: 1,
    stdout: "",
    stderr: `layerd: http://127.0.0.1:${port}/readyz answers 503: because\n`,
  });
});

test("a server that is not there is not healthy", async (t) => {
  const { code, stderr } = await run(t, ["health", "--url", "http://127.0.0.1:9"]);
  t.is(code, 1);
  t.regex(stderr, /^layerd: http:\/\/127\.0\.0\.1:9\/readyz does not answer: [^\n]+\n$/);
});

test("an address that is none is refused", async (t) => {
  for (const url of ["localhost:4000", "nonsense"]) {
    const { code, stderr } = await run(t, ["health", "--url", url]);
    t.is(code, 2);
    t.is(stderr, `layerd: --url: '${url}' is not an address such as http://127.0.0.1:4000\n`);
  }
});
