import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { createSecureContext, type SecureVersion } from "node:tls";
import { ConfigError, type ServerConfig } from "../config.ts";
import { StartError } from "./failures.ts";

type Files = Pick<ServerConfig, "tlsCert" | "tlsKey">;

/** By what a server proves who it is: what `createSecureServer` and `setSecureContext` take. */
export interface Identity {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: SecureVersion;
}

/**
 * What the settings name; `undefined` when they name nothing.
 * @throws ConfigError for one without the other, StartError for files that cannot be used.
 */
export function readIdentity({ tlsCert, tlsKey }: Files): Identity | undefined {
  if (tlsCert === "" && tlsKey === "") return undefined;
  if (tlsKey === "") throw new ConfigError("--tls-cert needs --tls-key: the certificate's private key");
  if (tlsCert === "") throw new ConfigError("--tls-key needs --tls-cert: the certificate that it belongs to");
  const cert = readPem("certificate", tlsCert);
  const key = readPem("private key", tlsKey);
  const identity = { cert, key, minVersion: "TLSv1.2" } as const;
  try {
    createSecureContext(identity);
  } catch (error) {
    throw explainIdentity(error as NodeJS.ErrnoException, { tlsCert, tlsKey });
  }
  return identity;
}

function readPem(what: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new StartError(`the ${what} cannot be read: ${(error as Error).message}`);
  }
}

function explainIdentity(error: NodeJS.ErrnoException, { tlsCert, tlsKey }: Files): StartError {
  if (!isCertificate(tlsCert)) return new StartError(`${tlsCert} holds no certificate in PEM`);
  const key = readPem("private key", tlsKey);
  if (!key.includes("PRIVATE KEY-----")) return new StartError(`${tlsKey} holds no private key in PEM`);
  if (key.includes("ENCRYPTED")) {
    return new StartError(`the private key in ${tlsKey} is encrypted; layerd has no passphrase for it`);
  }
  switch (error.code) {
    case "ERR_OSSL_X509_KEY_VALUES_MISMATCH":
    case "ERR_OSSL_X509_KEY_TYPE_MISMATCH":
      return new StartError(`the private key in ${tlsKey} is not that of the certificate in ${tlsCert}`);
    default:
      return new StartError(`${tlsCert} and ${tlsKey} cannot be used for TLS: ${error.message}`);
  }
}

function isCertificate(path: string): boolean {
  try {
    new X509Certificate(readFileSync(path));
    return true;
  } catch {
    return false;
  }
}

/** What curl has to be told, so that it believes the certificate when the server is asked by this name. */
export function curlFlag(tlsCert: string, host: string): string {
  const certificate = new X509Certificate(readFileSync(tlsCert));
  const named = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  // Whoever has issued another one is known to curl, or not: that cannot be told from here.
  return named !== undefined && certificate.checkIssued(certificate) ? `--cacert ${quoted(tlsCert)}` : "-k";
}

function quoted(path: string): string {
  return /^[\w./+@%-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
