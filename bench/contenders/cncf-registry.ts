import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "../toolkit/bench.ts";
import { send } from "../toolkit/http-client.ts";
import { freePort, startServer } from "../toolkit/server.ts";
import type { Store } from "./store.ts";

export const REPOSITORY = "library";

/** The CNCF registry (distribution/distribution) with its filesystem driver; `undefined` when it is missing. */
export async function startRegistry(bench: Bench, data: string): Promise<Store | undefined> {
  const tool = bench.tools.registry;
  if (tool === undefined) return undefined;
  const port = await freePort();
  const file = join(bench.disk, `registry-${port}.yml`);
  const text = configuration(data, port);
  await writeFile(file, text);
  bench.log.configuration("registry", text, [
    [data, "DIR"],
    [String(port), "PORT"],
  ]);
  const server = await startServer({
    name: "registry",
    command: tool.command,
    args: ["serve", file],
    port,
    ready: "/v2/",
    directory: bench.disk,
    // Else it keeps trying to send traces to a collector that is not there.
    environment: { OTEL_TRACES_EXPORTER: "none" },
    signal: bench.signal,
  });
  return {
    ...server,
    urlOf: (digest) => `${server.origin}/v2/${REPOSITORY}/blobs/${digest}`,
    beginUpload: (digest) => beginUpload(server.origin, digest),
  };
}

/**
 * distribution-spec §Pushing a blob monolithically, POST then PUT. The other way, a single POST with the
 * digest, is answered 202: the registry does not take the bytes from it.
 */
async function beginUpload(origin: string, digest: string) {
  const session = await send({ method: "POST", url: `${origin}/v2/${REPOSITORY}/blobs/uploads/` });
  const { location } = session.headers;
  if (session.status !== 202 || location === undefined) throw new Error(`registry: ${session.status}`);
  const url = new URL(location, origin);
  url.searchParams.set("digest", digest);
  return { method: "PUT", url: url.href } as const;
}

function configuration(data: string, port: number): string {
  return `version: 0.1
storage:
  filesystem:
    rootdirectory: ${data}
  cache:
    blobdescriptor: inmemory
http:
  addr: 127.0.0.1:${port}
  secret: only-for-measuring
`;
}
