import { fileURLToPath } from "node:url";
import type { Bench } from "../toolkit/bench.ts";
import { freePort, type Server, startServer } from "../toolkit/server.ts";

const ENTRY = fileURLToPath(new URL("./bare-http-server.ts", import.meta.url));

/** `node:http` with nothing around it, on the same Node, answering the bytes of `file` from memory. */
export async function startBareHttp(bench: Bench, file: string): Promise<Server> {
  const port = await freePort();
  bench.log.configuration("bare node:http", "node bench/contenders/bare-http-server.ts PORT FILE");
  return await startServer({
    name: "bare node:http",
    command: process.execPath,
    args: [ENTRY, String(port), file],
    port,
    ready: "/",
    directory: bench.disk,
    signal: bench.signal,
  });
}
