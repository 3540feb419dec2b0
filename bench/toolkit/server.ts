import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import http from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** A server under measurement. Disposing of it stops it, by its pid. */
export interface Server extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** Milliseconds from its start to its first 200. */
  readonly readyAfter: number;
}

export interface ServerOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly port: number;
  /** The path that answers 200 as soon as the server can work. */
  readonly ready: string;
  /** Where the file with its output goes. */
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

const READY_WITHIN = 60_000;
const STOPPED_WITHIN = 15_000;
const POLL_EVERY = 2;

/** Starts a server on loopback and waits until it answers. Its output goes to a file, as in production. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { name, port, ready, directory } = options;
  const log = join(directory, `${name.replace(/\W+/g, "-")}-${port}.log`);
  const origin = `http://127.0.0.1:${port}`;
  const started = performance.now();
  const { child, ended } = launch(options, log);
  try {
    await answers(`${origin}${ready}`, child);
  } catch (error) {
    await stop(child, ended);
    const said = readFileSync(log, "utf8").trim().slice(-1000);
    throw new Error(`${name} does not answer: ${said || String(error)}`, { cause: error });
  }
  const readyAfter = performance.now() - started;
  return { name, pid: child.pid ?? 0, origin, readyAfter, [Symbol.asyncDispose]: () => stop(child, ended) };
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

function launch(options: ServerOptions, log: string): { child: ChildProcess; ended: Promise<unknown> } {
  const { command, args, environment, signal } = options;
  const file = openSync(log, "a");
  const env = { ...plainEnvironment(), ...environment };
  const child = spawn(command, [...args], { stdio: ["ignore", file, file], env, signal });
  closeSync(file);
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
    child.on("error", (error) => child.pid === undefined && resolve(error));
  });
  return { child, ended };
}

/** Every contender runs with the defaults a user gets: no setting leaks in from the caller's shell. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(?:LAYERD|REGISTRY|OTEL|NODE|UV|GO)[A-Z_]*$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + READY_WITHIN;
  while ((await statusOf(url)) !== 200) {
    if (hasEnded(child)) throw new Error("it ended");
    if (performance.now() > deadline) throw new Error(`no answer within ${READY_WITHIN / 1000} s`);
    await delay(POLL_EVERY);
  }
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = http.get(url, { agent: false }, (response) => {
      response.resume();
      response.once("close", () => resolve(response.statusCode));
    });
    request.once("error", () => resolve(undefined));
  });
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (!hasEnded(child)) child.kill("SIGTERM");
  const patience = setTimeout(() => child.kill("SIGKILL"), STOPPED_WITHIN);
  await ended;
  clearTimeout(patience);
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
