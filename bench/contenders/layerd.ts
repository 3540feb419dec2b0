import type { Bench } from "../toolkit/bench.ts";
import { freePort, startServer } from "../toolkit/server.ts";
import type { Store } from "./store.ts";

/** layerd as a user starts it: every default but `more`, the request log on, as JSON into a file. */
export async function startLayerd(bench: Bench, data: string, more: readonly string[] = []): Promise<Store> {
  const port = await freePort();
  const serve = [
    "serve",
    "--port",
    String(port),
    "--host",
    "127.0.0.1",
    "--data",
    data,
    "--log-format",
    "json",
    ...more,
  ];
  bench.log.configuration("layerd", `layerd ${serve.join(" ")}`, [
    [data, "DIR"],
    [String(port), "PORT"],
  ]);
  const server = await startServer({
    name: "layerd",
    command: process.execPath,
    args: [bench.layerd, ...serve],
    port,
    ready: "/readyz",
    directory: bench.disk,
    signal: bench.signal,
  });
  return {
    ...server,
    urlOf: (digest) => `${server.origin}/layer/${digest}`,
    beginUpload: async () => ({ method: "POST", url: `${server.origin}/layer` }),
  };
}
