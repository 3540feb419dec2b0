import { resolve } from "node:path";
import { styleText } from "node:util";
import type { ServerConfig } from "../config.ts";
import { VERSION } from "../version.ts";
import { isLoopback, reachable, urlOf } from "./address.ts";
import { curlFlag } from "./tls.ts";

/** What a server that has just started tells whoever started it. Coloured where standard error is a terminal. */
export function banner(config: ServerConfig, port: number, metrics: string | undefined): string {
  const style = (format: "bold" | "dim" | "cyan" | "yellow", text: string) =>
    styleText(format, text, { stream: process.stderr });
  const secure = config.tlsCert !== "";
  const url = urlOf(config.host, port, secure ? "https" : "http");
  const curl = secure ? `curl ${curlFlag(config.tlsCert, reachable(config.host))}` : "curl";
  const rows = [
    ["data", config.memory ? "in memory: gone when the server stops" : resolve(config.data)],
    ["durability", durability(config)],
    ...(metrics === undefined ? [] : [["metrics", metrics]]),
    ...(config.auditLog === "" ? [] : [["audit log", resolve(config.auditLog)]]),
    ...(isLoopback(config.host) ? [] : [["access", style("yellow", OPEN)]]),
  ];
  const lines = [
    `${style("bold", "layerd")} ${VERSION}  ${style("cyan", url)}`,
    "",
    ...rows.map(([name = "", value = ""]) => `  ${style("dim", name.padEnd(10))}  ${value}`),
    "",
    style("dim", "  Try:"),
    `    echo hello | ${curl} --data-binary @- ${url}/layer`,
    `    ${curl} ${url}/layer`,
  ];
  return `\n${lines.join("\n")}\n\n`;
}

const OPEN = "everybody who can reach this address may read, add and delete layers";

function durability({ memory, durability }: ServerConfig): string {
  if (memory) return "none";
  return durability === "full"
    ? "full: on the disk before it is acknowledged"
    : "os: written when the kernel sees fit";
}
