import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { eventually } from "../tools/eventually.ts";
import { json } from "../tools/json.ts";
import { freePort } from "../tools/ports.ts";
import { startServer, temporaryDirectory } from "../tools/server.ts";
import { findTool, requireTool } from "../tools/tools.ts";

/* nginx in front, as people run it: another name, another port, and a path that it strips. */

async function startNginx(t: ExecutionContext, backend: number): Promise<string> {
  const directory = await temporaryDirectory(t);
  const port = await freePort();
  const file = join(directory, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${join(directory, name)};`)
    .join("\n");
  await writeFile(
    file,
    `daemon off; worker_processes 1; pid ${join(directory, "pid")}; error_log stderr;
     events { worker_connections 64; }
     http {
       access_log off; ${temporary}
       server {
         listen 127.0.0.1:${port};
         client_max_body_size 0;
         location /store/ {
           proxy_pass http://127.0.0.1:${backend}/;
           proxy_http_version 1.1;
           proxy_request_buffering off;
           proxy_set_header Host layers.example.com;
           proxy_set_header X-Forwarded-Prefix /store;
         }
       }
     }`,
  );
  const nginx = spawn(findTool("nginx") ?? "nginx", ["-e", "stderr", "-c", file], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = new Promise((resolve) => nginx.once("exit", resolve));
  t.teardown(async () => {
    nginx.kill("SIGTERM");
    await exited;
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => (await fetch(url).catch(() => undefined)) !== undefined);
  return url;
}

test("behind nginx every link leads back through it", async (t) => {
  if (!requireTool(t, "nginx")) return;
  const { port } = await startServer(t, { trustProxy: true, allowedHosts: ["layers.example.com"] });
  const url = await startNginx(t, port);
  const posted = await fetch(`${url}/store/layer`, { method: "POST", body: "behind a proxy" });
  const location = posted.headers.get("location") ?? "";
  t.regex(location, /^\/store\/layer\/sha256:/);
  t.is(await (await fetch(url + location, { headers: { Range: "bytes=0-5" } })).text(), "behind");
  await fetch(`${url}/store/layer`, { method: "POST", body: "another" });
  const page = await json(await fetch(`${url}/store/layer?n=1`));
  t.is((await json(await fetch(url + page.next))).layers[0].digest, (await json(posted)).digest);
  const begun = await fetch(`${url}/store/layer`, {
    method: "POST",
    body: "in two ",
    headers: { "Upload-Complete": "?0" },
  });
  const upload = url + begun.headers.get("location");
  t.is((await fetch(upload, { method: "HEAD" })).headers.get("upload-offset"), "7");
});
