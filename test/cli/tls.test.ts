import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { answerOf, ask } from "../http/h2-server.ts";
import { type CertificateFiles, makeCertificate } from "../tools/certificate.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";
import { run, serve } from "./command.ts";

const flagsOf = ({ cert, key }: CertificateFiles) => ["--memory", "--tls-cert", cert, "--tls-key", key];

async function connectTo(
  t: ExecutionContext,
  url: string,
  { cert }: CertificateFiles,
): Promise<ClientHttp2Session> {
  const session = connect(url, { ca: await readFile(cert) });
  t.teardown(() => session.destroy());
  session.on("error", () => undefined);
  await once(session, "connect");
  return session;
}

test("the curl lines of the banner work as they are", async (t) => {
  if (!requireTool(t, "openssl") || !requireTool(t, "curl")) return;
  const cwd = await temporaryDirectory(t);
  const files = await makeCertificate(cwd);
  for (const [host, flag] of [
    ["127.0.0.1", `--cacert ${files.cert}`],
    // Not one of the certificate's names.
    ["127.0.0.2", "-k"],
  ] as const) {
    const { url, child, saw, ended } = await serve(t, [...flagsOf(files), "--host", host], { cwd });
    t.true(url.startsWith("https://"));
    await saw("stderr", /\n {4}curl .*\n/);
    child.kill();
    const lines = (await ended).stderr.split("\n").filter((line) => /\bcurl\b/.test(line));
    t.deepEqual(lines, [
      `    echo hello | curl ${flag} --data-binary @- ${url}/layer`,
      `    curl ${flag} ${url}/layer`,
    ]);
    const again = await serve(t, [...flagsOf(files), "--host", host], { cwd });
    for (const line of lines) {
      const command = line.replace(url, again.url).replace("curl ", "curl -sf ");
      t.regex((await promisify(execFile)("sh", ["-c", command])).stdout, /"layers"|"digest"/);
    }
  }
});

test("a server with TLS that is ready is healthy, whatever its certificate is for", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const files = await makeCertificate(await temporaryDirectory(t));
  const { port } = await serve(t, [...flagsOf(files), "--host", "127.0.0.2"]);
  const ready = { code: 0, stdout: "ready\n", stderr: "" };
  const env = {
    ...{ LAYERD_PORT: String(port), LAYERD_HOST: "127.0.0.2" },
    ...{ LAYERD_TLS_CERT: files.cert, LAYERD_TLS_KEY: files.key },
  };
  t.deepEqual(await run(t, ["health"], { env }), ready);
});

test("of a certificate and its key both are needed", async (t) => {
  t.deepEqual(await run(t, ["serve", "--memory", "--tls-cert", "cert.pem"]), {
    code: 2,
    stdout: "",
    stderr: "layerd: --tls-cert needs --tls-key: the certificate's private key\n",
  });
  t.like(await run(t, ["serve", "--memory"], { env: { LAYERD_TLS_KEY: "key.pem" } }), {
    code: 2,
    stderr: "layerd: --tls-key needs --tls-cert: the certificate that it belongs to\n",
  });
});

test("files that cannot be used for TLS are one sentence", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const directory = await temporaryDirectory(t);
  const [one, other] = await Promise.all([
    makeCertificate(directory, "one"),
    makeCertificate(directory, "other"),
  ]);
  const junk = join(directory, "junk.pem");
  await writeFile(junk, "junk");
  const missing = join(directory, "missing.pem");
  const locked = join(directory, "locked.pem");
  await promisify(execFile)("openssl", [
    "ec",
    "-aes128",
    "-passout",
    "pass:x",
    "-in",
    one.key,
    "-out",
    locked,
  ]);
  for (const [files, sentence] of [
    [
      { ...one, cert: missing },
      `the certificate cannot be read: ENOENT: no such file or directory, open '${missing}'`,
    ],
    [
      { ...one, key: missing },
      `the private key cannot be read: ENOENT: no such file or directory, open '${missing}'`,
    ],
    [{ ...one, cert: junk }, `${junk} holds no certificate in PEM`],
    [
      { ...one, key: other.key },
      `the private key in ${other.key} is not that of the certificate in ${one.cert}`,
    ],
    [{ ...one, key: locked }, `the private key in ${locked} is encrypted; layerd has no passphrase for it`],
    [{ ...one, key: junk }, `${junk} holds no private key in PEM`],
  ] as const) {
    const { code, stdout, stderr } = await run(t, ["serve", "--port", "0", ...flagsOf(files)]);
    t.is(stderr, `layerd: ${sentence}\n`);
    t.is(code, 1);
    t.is(stdout, "");
  }
});

test("SIGHUP brings a renewed certificate, and a wrong one changes nothing", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const directory = await temporaryDirectory(t);
  const [used, renewed] = await Promise.all([
    makeCertificate(directory),
    makeCertificate(directory, "renewed"),
  ]);
  const { child, port, url, saw } = await serve(t, flagsOf(used));
  const shown = async () => {
    const socket: TLSSocket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const old = await shown();
  const session = await connectTo(t, url, used);
  await copyFile(renewed.cert, used.cert);
  child.kill("SIGHUP");
  await saw("stdout", /the certificate stays as it was: the private key in/);
  t.is(await shown(), old);
  await copyFile(renewed.key, used.key);
  child.kill("SIGHUP");
  await saw("stdout", /the certificate has been read again/);
  t.not(await shown(), old);
  // Who is connected stays so.
  t.is((await ask(session, { ":path": "/healthz" })).status, 200);
});

test("on SIGTERM streams in flight end well, and their connection is told goodbye", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const files = await makeCertificate(await temporaryDirectory(t));
  const { url, child, saw, ended } = await serve(t, flagsOf(files));
  const session = await connectTo(t, url, files);
  const idle = await connectTo(t, url, files);
  const size = 32 * 1024 * 1024;
  const { headers } = await ask(session, { ":method": "POST", ":path": "/layer" }, new Uint8Array(size));
  const download = session.request({ ":path": String(headers.location) });
  await once(download, "response");
  const upload = session.request({ ":method": "POST", ":path": "/layer" });
  upload.write("begun, ");
  await new Promise((resolve) => setTimeout(resolve, 100));
  const goodbye = once(session, "goaway");
  const idleEnd = once(idle, "close");
  child.kill("SIGTERM");
  await saw("stdout", /"msg":"stopping/);
  await Promise.all([goodbye, idleEnd]);
  // Longer than a connection without a request is waited for.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const uploaded = answerOf(upload);
  upload.end("and ended");
  t.is((await uploaded).status, 201);
  t.is((await answerOf(download)).body.length, size);
  t.is((await ended).code, 0);
});

test("on SIGTERM a client that has not said what it wants is not waited for", async (t) => {
  if (!requireTool(t, "openssl")) return;
  const files = await makeCertificate(await temporaryDirectory(t));
  const { port, child, ended } = await serve(t, flagsOf(files));
  const silent = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  const half = connectTls({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
  });
  for (const socket of [silent, half]) socket.on("error", () => undefined);
  await Promise.all([once(silent, "secureConnect"), once(half, "secureConnect")]);
  half.write("GET / HTT");
  child.kill("SIGTERM");
  t.is((await ended).code, 0);
});
