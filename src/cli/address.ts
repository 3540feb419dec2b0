import { isIP } from "node:net";

/** The host to try from this machine: a server on every address is reached on loopback too. */
export function reachable(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}

/** The address to try from this machine. */
export function urlOf(host: string, port: number, scheme: "http" | "https" = "http"): string {
  const name = reachable(host);
  return `${scheme}://${isIP(name) === 6 ? `[${name}]` : name}:${port}`;
}

/** Whether only this machine can reach a server there. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
