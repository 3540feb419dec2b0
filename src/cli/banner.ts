import { resolve } from "node:path";
import { styleText } from "node:util";
import { FILES, hasDirectory, isShared, type ServerConfig, withoutPassword } from "../config.ts";
import { VERSION } from "../version.ts";
import { isLoopback, reachable, urlOf } from "./address.ts";
import { curlFlag } from "./tls.ts";

/** Where a server that has just started is found. */
export interface Whereabouts {
  readonly port: number;
  /** The URL. */
  readonly metrics: string | undefined;
  /** How many processes serve; absent when it is the one. */
  readonly workers?: number;
}

/** What a server that has just started tells whoever started it. Coloured where standard error is a terminal. */
export function banner(config: ServerConfig, { port, metrics, workers }: Whereabouts): string {
  const style = (format: "bold" | "dim" | "cyan" | "yellow", text: string) =>
    styleText(format, text, { stream: process.stderr });
  const secure = config.tlsCert !== "";
  const url = urlOf(config.host, port, secure ? "https" : "http");
  const curl = secure ? `curl ${curlFlag(config.tlsCert, reachable(config.host))}` : "curl";
  const rows = [
    ["data", whereabouts(config)],
    ...(isShared(config) ? [["index", withoutPassword(config.index)]] : []),
    ["durability", durability(config)],
    ...(workers === undefined ? [] : [["workers", `${workers} processes`]]),
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

function whereabouts(config: ServerConfig): string {
  if (config.memory) return "in memory: gone when the server stops";
  return hasDirectory(config) ? resolve(config.data) : config.blobs;
}

function durability({ memory, blobs, durability }: ServerConfig): string {
  if (memory) return "none";
  if (blobs !== FILES) return "in the bucket and in the database before it is acknowledged";
  return durability === "full"
    ? "full: on the disk before it is acknowledged"
    : "os: written when the kernel sees fit";
}
