import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

export interface CertificateFiles {
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate for localhost and 127.0.0.1 that is signed by itself. Needs openssl. */
export async function makeCertificate(directory: string, name = "server"): Promise<CertificateFiles> {
  const files = { cert: join(directory, `${name}-cert.pem`), key: join(directory, `${name}-key.pem`) };
  await promisify(execFile)("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-keyout", files.key, "-out", files.cert],
  ]);
  return files;
}
