import { once } from "node:events";
import { copyFile, readFile } from "node:fs/promises";
import { connect } from "node:http2";
import { connect as connectTls } from "node:tls";
import test from "ava";
import { ask } from "../http/h2-server.ts";
import { makeCertificate } from "../tools/certificate.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";
import { linesOf, serveByTwo } from "./crew.ts";

test("workers speak HTTP/2, and all of them show a renewed certificate", async (t) => {
  if (!requireTool(t, "versitygw") || !requireTool(t, "openssl")) return;
  const directory = await temporaryDirectory(t);
  const used = await makeCertificate(directory);
  const renewed = await makeCertificate(directory, "renewed");
  const crew = await serveByTwo(t, ["--tls-cert", used.cert, "--tls-key", used.key]);
  const ca = await readFile(used.cert);
  for (let n = 0; n < 4; n += 1) {
    const session = connect(crew.url, { ca });
    t.is((await ask(session, { ":path": "/healthz" })).status, 200);
    session.close();
  }
  /** What connections are shown that are made one after the other, which the workers take in turn. */
  const shown = async () => {
    const seen = new Set<string>();
    for (let n = 0; n < 4; n += 1) {
      const socket = connectTls({ port: crew.port, host: "127.0.0.1", rejectUnauthorized: false });
      await once(socket, "secureConnect");
      seen.add(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    }
    return [...seen];
  };
  const before = await shown();
  t.is(before.length, 1);
  await copyFile(renewed.cert, used.cert);
  await copyFile(renewed.key, used.key);
  crew.child.kill("SIGHUP");
  await crew.saw("stdout", /(?:the certificate has been read again(?:.|\n)*){2}/);
  const after = await shown();
  t.is(after.length, 1);
  t.notDeepEqual(after, before);
  crew.child.kill("SIGTERM");
  const { code, stdout } = await crew.ended;
  t.is(code, 0);
  const requests = linesOf(stdout).filter(({ path }) => path === "/healthz");
  t.deepEqual(requests.map(({ worker }) => worker).sort(), [1, 1, 2, 2]);
});
