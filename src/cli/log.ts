import { type DestinationStream, type LevelWithSilent, type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { ServerConfig } from "../config.ts";
import type { RequestLine } from "../create.ts";
import { openLogWriter } from "./log-writer.ts";

/** The server's log, on standard output. */
export interface Log {
  readonly logger: Logger;
  /** Writes the line of a request. */
  readonly logRequest: (line: RequestLine) => void;
  readonly format: "pretty" | "json";
  /**
   * Writes whole lines that another process has made: of many lines to a write, those of two processes would come to
   * stand within each other. Absent where each line is a write.
   */
  readonly forward: ((lines: string) => void) | undefined;
  /** Resolves when everything logged has been written, or could not be. */
  drain(): Promise<void>;
}

const STDOUT = 1;

/** @param worker the number of the process, where several write one log: each line has it. */
export function openLog(config: Pick<ServerConfig, "logLevel" | "logFormat">, worker?: number): Log {
  const auto = process.stdout.isTTY ? "pretty" : "json";
  const format = config.logFormat === "auto" ? auto : config.logFormat;
  const base = worker === undefined ? null : { worker };
  return format === "pretty" ? prettyLog(config.logLevel, base) : jsonLog(config.logLevel, base);
}

type Base = { readonly worker: number } | null;

function jsonLog(level: LevelWithSilent, base: Base): Log {
  const { write, drain } = openLogWriter(STDOUT);
  const clock = makeClock();
  const logger = makeLogger({ level, base, destination: { write }, clock });
  const by = base === null ? "" : `,"worker":${base.worker}`;
  // As pino writes it, and in half its time: requests are what a busy server logs.
  const writeLine = (line: RequestLine) => {
    write(`{"level":"info"${clock()}${by},${JSON.stringify(line).slice(1, -1)},"msg":"request"}\n`);
  };
  const logRequest = logger.isLevelEnabled("info") ? writeLine : () => undefined;
  return { logger, logRequest, format: "json", forward: write, drain };
}

function prettyLog(level: LevelWithSilent, base: Base): Log {
  const destination = pretty({
    destination: STDOUT,
    sync: true,
    colorize: process.stdout.hasColors?.() ?? false,
    translateTime: "SYS:HH:MM:ss.l",
    singleLine: true,
    ignore: "method,path,status,bytes,ms,id,worker",
    messageFormat: formatMessage,
  });
  const logger = makeLogger({ level, base, destination, clock: makeClock() });
  const logRequest = (line: RequestLine) => logger.info(line, "request");
  return { logger, logRequest, format: "pretty", forward: undefined, drain: async () => undefined };
}

function makeLogger(options: {
  readonly level: LevelWithSilent;
  readonly base: Base;
  readonly destination: DestinationStream;
  readonly clock: () => string;
}): Logger {
  const { level, base, destination, clock: timestamp } = options;
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level, base, timestamp, formatters }, destination);
}

/** ISO 8601, put into words once a millisecond: requests come faster than that. */
function makeClock(): () => string {
  let at = Number.NaN;
  let text = "";
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      text = `,"time":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}

/** A request as one readable line; other messages with the request they belong to. */
function formatMessage(line: Record<string, unknown>, messageKey: string): string {
  const { method, path, status, bytes, ms, id, worker } = line;
  const by = worker === undefined ? "" : `, worker ${worker}`;
  if (method !== undefined) {
    return `${status} ${method} ${path}  ${bytes} bytes, ${Number(ms).toFixed(1)} ms${by}`;
  }
  return `${line[messageKey]}${id === undefined ? "" : ` (${id})`}${by}`;
}
