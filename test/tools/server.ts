import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import Koa from "koa";
import type { StoreOptions } from "../../src/config.ts";
import { createLayerd, type Host, type Layerd } from "../../src/create.ts";
import { arranged, inCatalog, isAlone } from "./arrangement.ts";

export interface TestServer {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly data: string;
  readonly layerd: Layerd;
  /** Bytes that the server has read from the connection that this port of a client's has opened. */
  received(clientPort: number | undefined): number;
  /** Stops the server; what is on disk stays until the test ends. */
  stop(): Promise<void>;
}

/** A directory of its own for a test, removed when the test ends. */
export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "layerd-test-"));
  t.teardown(() => rm(path, { recursive: true, force: true, maxRetries: 3 }));
  return path;
}

/**
 * layerd on a real socket of the loopback interface. When the test ends it is stopped, and an upload that is
 * neither finished nor resumable must have left nothing behind.
 */
export async function startServer(
  t: ExecutionContext,
  config: StoreOptions = {},
  host: Host = {},
): Promise<TestServer> {
  const data = config.data ?? join(await temporaryDirectory(t), "data");
  const layerd = await createLayerd(await arranged(data, config), { passUnknown: false, ...host });
  const app = new Koa();
  app.use(layerd.middleware);
  // Koa reports clients that left; a test that makes them leave expects it.
  app.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "ECONNRESET") t.log(error);
  });
  const server = createServer({ requireHostHeader: false }, app.callback());
  layerd.configureServer(server);
  const sockets = new Map<number | undefined, Socket>();
  server.on("connection", (socket) => sockets.set(socket.remotePort, socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    await layerd.close();
    server.closeAllConnections();
    await closed;
  };
  const once = () => {
    stopping ??= stop();
    return stopping;
  };
  t.teardown(once);
  const received = (clientPort: number | undefined) => sockets.get(clientPort)?.bytesRead ?? 0;
  return { url: `http://127.0.0.1:${port}`, port, data, layerd, received, stop: once };
}

/** Names of all files below the blobs' directory, or keys of the bucket: what has been stored. */
export async function storedBlobs(data: string): Promise<string[]> {
  const keys = await inCatalog(data, "select key from blob_objects where state = 'live'");
  if (keys !== undefined) return keys;
  const entries = await readdir(join(data, "blobs"), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/**
 * Names of all files that unfinished uploads have on disk, or their ids. Sessions that hold no byte are none, though
 * servers that are not alone have to write them down.
 */
export async function unfinishedUploads(data: string): Promise<string[]> {
  const ids = await inCatalog(data, "select id from blob_uploads where size > 0");
  if (ids !== undefined) return ids;
  const names = await readdir(join(data, "uploads")).catch((): string[] => []);
  const isEmpty = (name: string) => name.endsWith(".json") && !names.includes(name.replace(/\.json$/, ""));
  return isAlone() ? names : names.filter((name) => !isEmpty(name));
}
