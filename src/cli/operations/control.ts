import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join, relative } from "node:path";
import { text } from "node:stream/consumers";
import { parseDigest } from "../../core/digest.ts";
import { isLayerdError } from "../../core/errors.ts";
import { parseRepositoryName, parseTag } from "../../core/name.ts";
import type { Operations } from "./operations.ts";
import { answerSource, sendBytes } from "./source-control.ts";

/*
 * How `layerd gc` and its like reach a running server: HTTP over a socket in the data directory, which only the user
 * may use that the server runs as. The answer is JSON, a line each: {"item": …} as they come, then {"result": …}
 * or {"error": {code, message}}. Only /bytes is answered with bytes, or with 404.
 */

// sockaddr_un(7): what the path of a socket may have, with its end.
const PATH_MAX = 107;

/** Where the socket is; `undefined` when the path would be too long, seen from here too. */
export function controlPath(data: string): string | undefined {
  const absolute = join(data, "control");
  const near = relative("", absolute);
  return [absolute, near].find((path) => Buffer.byteLength(path) <= PATH_MAX);
}

export interface Control {
  /** Breaks off what runs. */
  close(): Promise<void>;
}

/** Resolves when there is room for more; whoever tells of few things need not wait. */
type Item = (value: unknown) => Promise<void> | undefined;
type Handler = (
  operations: Operations,
  asked: Record<string, unknown>,
  item: Item,
  /** Aborts when whoever asked has gone. */
  signal: AbortSignal,
) => Promise<unknown>;

const HANDLERS: Readonly<Record<string, Handler>> = {
  "/gc": (operations, { dryRun, verbose }, item) =>
    operations.collect({
      dryRun: dryRun === true,
      report: item,
      stays: verbose === true ? item : undefined,
    }),
  "/trash": (operations, _asked, item) => operations.trash(item),
  "/why": (operations, { digest }) => operations.why(parseDigest(String(digest))),
  "/scrub": (operations, { rate, progress }, item, signal) =>
    operations.scrub({
      rate: typeof rate === "number" ? rate : undefined,
      report: (rot) => item({ rot }),
      progress: progress === true ? (made) => item({ progress: made }) : undefined,
      signal,
    }),
  "/check": (operations, _asked, item, signal) => operations.check(item, signal),
  "/source": (operations, asked) => answerSource(operations.source, asked),
  "/restore": (operations, { digest, repository, tags }) =>
    operations.restore(parseDigest(String(digest)), {
      repository: parseRepositoryName(String(repository)),
      tags: [tags].flat().map((tag) => parseTag(String(tag))),
    }),
};

/** Listens for operators. Whoever calls it holds the lock of the data directory: an older socket is a dead one. */
export async function openControl(data: string, operations: Operations): Promise<Control | undefined> {
  const path = controlPath(data);
  if (path === undefined) return undefined;
  await rm(path, { force: true });
  const server = createServer((req, res) => void answer(operations, req, res));
  server.requestTimeout = 0;
  server.listen(path);
  await once(server, "listening");
  await chmod(path, 0o600);
  return {
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Resolves when there is room again, or nobody to be told. */
async function drained(res: ServerResponse, signal: AbortSignal): Promise<void> {
  await once(res, "drain", { signal }).catch((error: Error) => {
    if (error.name !== "AbortError") throw error;
  });
}

async function answer(operations: Operations, req: IncomingMessage, res: ServerResponse): Promise<void> {
  res.on("error", () => undefined);
  const gone = new AbortController();
  const say = (line: object) => {
    if (res.write(`${JSON.stringify(line)}\n`) || gone.signal.aborted) return undefined;
    return drained(res, gone.signal);
  };
  res.on("close", () => gone.abort());
  try {
    if (req.url === "/bytes") return await sendBytes(operations.source, req, res);
    const handler = HANDLERS[req.url ?? ""];
    if (handler === undefined) throw new Error(`this server knows no ${req.url}: is it of another version?`);
    const asked = JSON.parse((await text(req)) || "{}");
    const result = await handler(operations, asked, (item) => say({ item }), gone.signal);
    say({ result: result ?? null });
  } catch (error) {
    const { code, message } = isLayerdError(error) ? error : { code: "INTERNAL", message: String(error) };
    say({ error: { code, message } });
  }
  res.end();
}
