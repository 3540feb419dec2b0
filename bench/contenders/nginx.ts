import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "../toolkit/bench.ts";
import { freePort, type Server, startServer } from "../toolkit/server.ts";

/** nginx serving the files of `root`: two workers, sendfile on; `undefined` when it is missing. */
export async function startNginx(bench: Bench, root: string): Promise<Server | undefined> {
  const tool = bench.tools.nginx;
  if (tool === undefined) return undefined;
  const port = await freePort();
  const prefix = join(bench.disk, `nginx-${port}`);
  const file = join(prefix, "nginx.conf");
  await mkdir(prefix);
  await writeFile(join(root, "ready"), "ready\n");
  const text = configuration(prefix, root, port);
  await writeFile(file, text);
  bench.log.configuration("nginx", text, [
    [prefix, "PREFIX"],
    [root, "ROOT"],
    [String(port), "PORT"],
  ]);
  return await startServer({
    name: "nginx",
    command: tool.command,
    args: ["-p", prefix, "-c", file, "-e", join(prefix, "error.log")],
    port,
    ready: "/ready",
    directory: bench.disk,
    signal: bench.signal,
  });
}

/**
 * The access log is on, as layerd's is. Connections are never closed after a number of requests, which
 * would hold back nginx alone. tcp_nopush is left off, as is the default: loopback has segments of 64 KiB, and
 * an answer that is a little longer than one of them would wait for 40 ms.
 */
function configuration(prefix: string, root: string, port: number): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `  ${kind}_temp_path ${prefix}/${kind};`,
  );
  // Workers of a master that is root would change to a user who may not read these directories.
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  return `daemon off;
${user}worker_processes 2;
pid ${prefix}/nginx.pid;
events {
  worker_connections 1024;
}
http {
  sendfile on;
  keepalive_requests 1000000000;
  default_type application/octet-stream;
  access_log ${prefix}/access.log;
${paths.join("\n")}
  server {
    listen 127.0.0.1:${port};
    root ${root};
  }
}
`;
}
