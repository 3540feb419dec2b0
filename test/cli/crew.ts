import { Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import type { ExecutionContext } from "ava";
import { database } from "../tools/database.ts";
import { s3 } from "../tools/s3.ts";
import { type Running, serve } from "./command.ts";

/** A store that processes can share, in flags. */
export async function sharedStore(): Promise<string[]> {
  const [index, server] = [await database(), await s3()];
  const bucket = ["--blobs", `s3://${server.bucket()}`, "--s3-endpoint", server.url, "--s3-path-style"];
  return ["--index", index, ...bucket];
}

// biome-ignore lint/suspicious/noExplicitAny: tests look for what they expect
type Line = Record<string, any>;

/** A log in JSON, as far as its lines are whole. */
export function linesOf(written: string): Line[] {
  return written
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

export interface Crew extends Running {
  readonly url: string;
  readonly port: number;
  /** The lines of the log so far. */
  lines(): Line[];
  /** The processes that serve, or last did, by their workers' numbers. */
  pids(): Map<unknown, number>;
}

/** `layerd serve --workers 2`, ended with the test. */
export async function serveByTwo(t: ExecutionContext, args: readonly string[] = []): Promise<Crew> {
  const running = await serve(t, ["--workers", "2", ...(await sharedStore()), ...args]);
  await running.saw("stdout", /"msg":"listening"/);
  const lines = () => linesOf(running.written("stdout"));
  const pids = () => {
    const listening = lines().filter(({ msg }) => msg === "a worker listens");
    return new Map(listening.map(({ worker, pid }) => [worker, pid] as const));
  };
  return { ...running, lines, pids };
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface Request {
  readonly method?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request on a connection of its own, which the workers take in turn. */
export async function ask(
  url: string,
  { method = "GET", body, headers = {} }: Request = {},
): Promise<Answer> {
  const agent = new Agent({ keepAlive: false });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request(url, { method, headers: { ...headers }, agent }, resolve).once("error", reject);
  sent.end(body);
  const response = await promise;
  const answered = await text(response);
  return { status: response.statusCode, headers: response.headers, body: answered };
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
