import type { Bench } from "./bench.ts";
import { output } from "./command.ts";

export interface WrkOptions {
  readonly url: string;
  readonly seconds: number;
  /** The media type to ask for. */
  readonly accept?: string;
  /** A Lua script and its arguments. */
  readonly script?: readonly [file: string, ...args: string[]];
}

export interface WrkResult {
  readonly requestsPerSecond: number;
  /** Bytes read a request, head and body. */
  readonly bytesPerRequest: number;
  /** Milliseconds within which 99 of 100 requests were answered. */
  readonly p99: number;
}

/** One thread, 32 connections kept alive. @throws when any answer was an error. */
export async function wrk(bench: Bench, options: WrkOptions): Promise<WrkResult> {
  const { url, seconds, accept, script } = options;
  const [file, ...args] = script ?? [];
  const scripting = file === undefined ? [] : ["--script", file];
  const { command } = bench.tools.wrk ?? { command: "wrk" };
  const report = await output(
    command,
    [
      "-t1",
      "-c32",
      `-d${seconds}s`,
      "--latency",
      ...(accept === undefined ? [] : ["--header", `Accept: ${accept}`]),
      ...scripting,
      url,
      ...(args.length > 0 ? ["--", ...args] : []),
    ],
    bench.signal,
  );
  bench.log.record("wrk", { url, report });
  return parseReport(report);
}

const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };
const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

export function parseReport(report: string): WrkResult {
  const errors = /Non-2xx or 3xx responses: .*|Socket errors: .*/.exec(report)?.[0];
  if (errors !== undefined) throw new Error(`wrk: ${errors}`);
  const total = /(\d+) requests in [\d.]+\w+, ([\d.]+)([KMG]?B) read/.exec(report);
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(report)?.[1];
  const p99 = /99%\s+([\d.]+)(us|ms|s)/.exec(report);
  if (total === null || rate === undefined || p99 === null)
    throw new Error(`wrk said something unknown: ${report}`);
  const bytes = Number(total[2]) * (UNITS[total[3] ?? "B"] ?? 1);
  return {
    requestsPerSecond: Number(rate),
    bytesPerRequest: bytes / Number(total[1]),
    p99: Number(p99[1]) * (MILLISECONDS[p99[2] ?? ""] ?? 1),
  };
}
