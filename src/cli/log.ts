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
  /** Resolves when everything logged has been written, or could not be. */
  drain(): Promise<void>;
}

const STDOUT = 1;

export function openLog(config: Pick<ServerConfig, "logLevel" | "logFormat">): Log {
  const auto = process.stdout.isTTY ? "pretty" : "json";
  const format = config.logFormat === "auto" ? auto : config.logFormat;
  return format === "pretty" ? prettyLog(config.logLevel) : jsonLog(config.logLevel);
}

function jsonLog(level: LevelWithSilent): Log {
  const { write, drain } = openLogWriter(STDOUT);
  const clock = makeClock();
  const logger = makeLogger(level, { write }, clock);
  // As pino writes it, and in half its time: requests are what a busy server logs.
  const writeLine = (line: RequestLine) => {
    write(`{"level":"info"${clock()},${JSON.stringify(line).slice(1, -1)},"msg":"request"}\n`);
  };
  const logRequest = logger.isLevelEnabled("info") ? writeLine : () => undefined;
  return { logger, logRequest, format: "json", drain };
}

function prettyLog(level: LevelWithSilent): Log {
  const destination = pretty({
    destination: STDOUT,
    sync: true,
    colorize: process.stdout.hasColors?.() ?? false,
    translateTime: "SYS:HH:MM:ss.l",
    singleLine: true,
    ignore: "method,path,status,bytes,ms,id",
    messageFormat: formatMessage,
  });
  const logger = makeLogger(level, destination, makeClock());
  const logRequest = (line: RequestLine) => logger.info(line, "request");
  return { logger, logRequest, format: "pretty", drain: async () => undefined };
}

function makeLogger(level: LevelWithSilent, destination: DestinationStream, timestamp: () => string): Logger {
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level, base: null, timestamp, formatters }, destination);
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
  const { method, path, status, bytes, ms, id } = line;
  const message = String(line[messageKey]);
  if (method === undefined) return id === undefined ? message : `${message} (${id})`;
  return `${status} ${method} ${path}  ${bytes} bytes, ${Number(ms).toFixed(1)} ms`;
}
