import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ExecutionContext } from "ava";
import { database } from "../tools/database.ts";
import { type NginxPlace, runNginx } from "../tools/nginx.ts";
import { freePort } from "../tools/ports.ts";
import { launchServer, type StartingServer } from "../tools/process.ts";
import { s3 } from "../tools/s3.ts";
import { TcpProxy } from "../tools/tcp-proxy.ts";
import { requireTool } from "../tools/tools.ts";

/** One server of several, in a process of its own, with a way to the database of its own. */
export interface Member {
  readonly url: string;
  readonly database: TcpProxy;
  kill(): Promise<void>;
  /** After it was killed, under the same address. */
  restart(): Promise<void>;
}

export interface Fleet {
  /** nginx, which asks one server after the other, and another one when a request cannot be answered. */
  readonly url: string;
  readonly members: readonly Member[];
}

/** Whether all programs are there that a fleet needs. */
export function canStartFleet(t: ExecutionContext): boolean {
  return requireTool(t, "nginx") && requireTool(t, "versitygw");
}

/** Up to three servers behind nginx, over one PostgreSQL and one bucket. Ended with the test. */
export async function startFleet(
  t: ExecutionContext,
  count: number,
  flags: readonly string[],
): Promise<Fleet> {
  const bucket = await s3();
  const url = new URL(await database());
  const blobs = ["--blobs", `s3://${bucket.bucket()}`, "--s3-endpoint", bucket.url, "--s3-path-style"];
  // The first one makes the schema.
  const members: Member[] = [];
  for (let at = 0; at < count; at += 1) {
    const proxy = await TcpProxy.start(Number(url.port));
    t.teardown(() => proxy.close());
    const index = new URL(url);
    index.port = String(proxy.port);
    members.push(await startMember(t, proxy, ["--index", index.href, ...blobs, ...flags]));
  }
  return { url: await runNginx(t, await deployedNginx(members)), members };
}

async function startMember(t: ExecutionContext, proxy: TcpProxy, flags: readonly string[]): Promise<Member> {
  const port = await freePort();
  const start = async () => {
    const server = launchServer([...flags, "--port", String(port)]);
    await server.announced;
    return server;
  };
  let running: StartingServer = await start();
  t.teardown(() => running.kill());
  return {
    url: `http://127.0.0.1:${port}`,
    database: proxy,
    kill: () => running.kill(),
    restart: async () => {
      running = await start();
    },
  };
}

const DEPLOYED = resolve(import.meta.dirname, "../../docs/deploy/nginx.conf");

/** What docs/deploy has, with other addresses. That of a test does not change, and is no name to be looked up. */
async function deployedNginx(members: readonly Member[]): Promise<(place: NginxPlace) => string> {
  const text = await readFile(DEPLOYED, "utf8");
  const servers = members.map(({ url }) => new URL(url).host);
  return ({ directory, port }) => {
    return text
      .replaceAll(/\bserver layerd-(\d+):4000 (.*) resolve;/g, (_line, number, how) => {
        const server = servers[Number(number) - 1];
        return server === undefined ? "" : `server ${server} ${how};`;
      })
      .replace("listen 8080;", `listen 127.0.0.1:${port};`)
      .replace("error_log stderr warn;", "error_log stderr crit;")
      .replaceAll("/tmp/", `${directory}/`);
  };
}
