import test, { type ExecutionContext } from "ava";
import { json } from "../tools/json.ts";
import { startNginx } from "../tools/nginx.ts";
import { startServer } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";

/* nginx in front, as people run it: another name, another port, and a path that it strips. */

function startSite(t: ExecutionContext, backend: number): Promise<string> {
  return startNginx(t, {
    server: `
      location /store/ {
        proxy_pass http://127.0.0.1:${backend}/;
        proxy_http_version 1.1;
        proxy_request_buffering off;
        proxy_set_header Host layers.example.com;
        proxy_set_header X-Forwarded-Prefix /store;
      }`,
  });
}

test("behind nginx every link leads back through it", async (t) => {
  if (!requireTool(t, "nginx")) return;
  const { port } = await startServer(t, { trustProxy: true, allowedHosts: ["layers.example.com"] });
  const url = await startSite(t, port);
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
