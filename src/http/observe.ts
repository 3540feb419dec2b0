import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { Authorize } from "../auth/policy.ts";
import type { RepositoryName } from "../core/name.ts";
import { countedBytes, wasReset } from "./http2.ts";
import { type Call, RequestContext } from "./request-context.ts";
import type { RequestCounts } from "./request-counts.ts";

export interface ObserveOptions {
  readonly authorize: Authorize;
  readonly repository: RepositoryName;
  readonly log: Logger;
  /** Writes a request's line. */
  readonly logRequest: (line: RequestLine) => void;
  readonly counts: RequestCounts;
  /** Whether `X-Request-Id` of the request is taken over. */
  readonly trustProxy: boolean;
  /** The caller's name; `undefined` when nobody said. */
  readonly identify: (ctx: Call) => string | undefined;
}

/** Who asks when nobody said. */
export const NOBODY = "anonymous";
const REQUEST_ID = /^[\w.:/+=-]{1,128}$/;

/** Gives each request its context, and its line in the log and its place in the counts when its connection is done with it. */
export function makeObserver(options: ObserveOptions): (ctx: Call) => void {
  const ids = requestIds();
  const { authorize, repository, log, trustProxy, counts } = options;
  const debug = log.isLevelEnabled("debug");
  const write = inBatches(options.logRequest);
  return (ctx) => {
    ctx.layerd = new RequestContext({
      id: (trustProxy ? givenId(ctx) : undefined) ?? ids(),
      who: options.identify(ctx) ?? NOBODY,
      user: ctx.state.user,
      repository,
      authorize,
      log,
    });
    const started = performance.now();
    counts.inFlight += 1;
    ctx.res.on("close", () => {
      const ended = line(ctx, started, debug);
      counts.inFlight -= 1;
      counts.ended(ctx.layerd.route, ended);
      write(ended);
    });
  };
}

/** Writes the lines of one turn of the event loop together: that takes half the time of one after each request. */
function inBatches(write: (line: RequestLine) => void): (line: RequestLine) => void {
  let lines: RequestLine[] = [];
  const writeAll = () => {
    const due = lines;
    lines = [];
    for (const line of due) write(line);
  };
  return (line) => {
    if (lines.push(line) === 1) setImmediate(writeAll);
  };
}

function givenId(ctx: Call): string | undefined {
  const id = ctx.get("X-Request-Id");
  return REQUEST_ID.test(id) ? id : undefined;
}

/** Unique in all processes, and cheap: a random prefix for the process, a counter within. */
function requestIds(): () => string {
  const prefix = randomBytes(6).toString("base64url");
  let count = 0;
  return () => {
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}

/** What the log says of a request. */
export interface RequestLine {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Of the body. */
  readonly bytes: number;
  /** Until the connection was done with it. */
  readonly ms: number;
  /** The caller's name, when it has one. */
  who?: string;
  /** The client went away, or was cut off, before the end of the answer. */
  aborted?: true;
  /** At debug level. */
  headers?: object;
}

function line(ctx: Call, started: number, debug: boolean): RequestLine {
  const { layerd, req, res } = ctx;
  const reset = wasReset(res);
  const line: RequestLine = {
    id: layerd.id,
    method: req.method ?? "",
    path: ctx.originalUrl,
    status: res.statusCode,
    // Whoever sends learns of a reset after this.
    bytes: reset ? (countedBytes(res) ?? layerd.sent) : layerd.sent,
    ms: Math.round((performance.now() - started) * 1000) / 1000,
  };
  if (layerd.who !== NOBODY) line.who = layerd.who;
  if (!res.writableFinished || reset) line.aborted = true;
  if (debug) line.headers = headersToWatch(req.headers);
  return line;
}

/** What one wants to see of a client at work. No credentials among them. */
function headersToWatch(headers: Call["req"]["headers"]): object {
  const names = ["content-type", "accept", "range", "content-range", "user-agent"] as const;
  return {
    headers: Object.fromEntries(names.flatMap((name) => (headers[name] ? [[name, headers[name]]] : []))),
  };
}
