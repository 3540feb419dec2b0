import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { eventually } from "./eventually.ts";
import { freePort } from "./ports.ts";
import { temporaryDirectory } from "./server.ts";
import { findTool } from "./tools.ts";

/** What stands in nginx's configuration, of what it is to do. */
export interface NginxSite {
  /** In the block `http`. */
  readonly http?: string;
  /** In the block `server`. */
  readonly server: string;
}

/** Where an nginx runs: what its configuration has to name. */
export interface NginxPlace {
  readonly directory: string;
  readonly port: number;
}

/** A real nginx, ended with the test; which begins with `requireTool(t, "nginx")`. @returns its URL, when it answers */
export async function startNginx(t: ExecutionContext, { http = "", server }: NginxSite): Promise<string> {
  return await runNginx(t, ({ directory, port }) => {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${join(directory, name)};`)
      .join("\n");
    return `worker_processes 1; pid ${join(directory, "pid")}; error_log stderr crit;
     events { worker_connections 512; }
     http {
       access_log off; ${temporary}
       ${http}
       server {
         listen 127.0.0.1:${port};
         client_max_body_size 0;
         ${server}
       }
     }`;
  });
}

/** The same with a whole configuration, which it does not leave the foreground by. */
export async function runNginx(
  t: ExecutionContext,
  configure: (place: NginxPlace) => string,
): Promise<string> {
  const directory = await temporaryDirectory(t);
  const port = await freePort();
  const file = join(directory, "nginx.conf");
  await writeFile(file, configure({ directory, port }));
  const flags = ["-e", "stderr", "-c", file, "-g", "daemon off;"];
  const nginx = spawn(findTool("nginx") ?? "nginx", flags, { stdio: ["ignore", "ignore", "inherit"] });
  const exited = new Promise((resolve) => nginx.once("exit", resolve));
  t.teardown(async () => {
    nginx.kill("SIGTERM");
    await exited;
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => (await fetch(url).catch(() => undefined)) !== undefined);
  return url;
}
