import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { ExecutionContext } from "ava";
import { launchServer } from "../tools/process.ts";
import { CALLS, type Call, readTrace, stringsOf } from "./trace.ts";

const OPTIONS = ["-f", "-qq", "--seccomp-bpf", "-xx", "-s", "16777216", "-e", "signal=none"];

/** Whether this system lets a process trace another one that it has started. */
export async function mayTrace(): Promise<boolean> {
  const child = spawn("strace", [...OPTIONS, "-e", `trace=${CALLS}`, "-o", "/dev/null", "true"], {
    stdio: "ignore",
  });
  const [code] = await once(child, "exit");
  return code === 0;
}

/** The real server, of which every call that matters is written down. */
export class RecordedServer {
  readonly url: string;
  readonly #data: string;
  readonly #trace: string;
  readonly #ended: Promise<unknown>;

  private constructor(url: string, about: { data: string; trace: string; ended: Promise<unknown> }) {
    this.url = url;
    this.#data = about.data;
    this.#trace = about.trace;
    this.#ended = about.ended;
  }

  /** Ended with the test. @param files.trace is not there yet */
  static async start(
    t: ExecutionContext,
    args: readonly string[],
    files: { readonly data: string; readonly trace: string },
  ): Promise<RecordedServer> {
    const { data, trace } = files;
    const under = ["strace", ...OPTIONS, "-e", `trace=${CALLS}`, "-o", trace];
    const { child, announced } = launchServer(["--data", data, "--trust-proxy", ...args], under);
    const ended = once(child, "close");
    t.teardown(async () => {
      if (child.exitCode === null && child.signalCode === null)
        process.kill(await processIn(trace), "SIGKILL");
    });
    return new RecordedServer(await announced, { data, trace, ended });
  }

  /** Asks it what `layerd gc` and the like ask it. */
  async operate(path: string, asked: object = {}): Promise<void> {
    const outgoing = request({ socketPath: join(this.#data, "control"), path, method: "POST" });
    outgoing.end(JSON.stringify(asked));
    const [incoming] = await once(outgoing, "response");
    const said = await text(incoming);
    if (!said.includes('{"result":')) throw new Error(`${path}: ${said}`);
  }

  /** Ends it, and resolves with what it has done. @param first number of the first line of its trace */
  async end(signal: "SIGTERM" | "SIGKILL", first: number): Promise<Recording> {
    process.kill(await processIn(this.#trace), signal);
    await this.#ended;
    const trace = await readFile(this.#trace, "utf8");
    const calls = readTrace(trace, first);
    return { calls, told: tellings(calls), end: first + trace.split("\n").length };
  }
}

/** The process whose first thread has made the first call. */
async function processIn(trace: string): Promise<number> {
  return Number.parseInt(await readFile(trace, "utf8"), 10);
}

export interface Recording {
  readonly calls: readonly Call[];
  /** Where the answers to requests began to be sent, by the requests' ids. */
  readonly told: ReadonlyMap<string, number>;
  /** Behind its last line. */
  readonly end: number;
}

/** Text as strace writes it. */
export function hexOf(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

const HEX_OF_ID = hexOf("X-Request-Id: ");

function tellings(calls: readonly Call[]): Map<string, number> {
  const told = new Map<string, number>();
  for (const call of calls) {
    if (!/^writev?$/.test(call.name) || !call.args.includes(HEX_OF_ID)) continue;
    const answers = Buffer.concat(stringsOf(call)).toString("latin1");
    for (const [, id = ""] of answers.matchAll(/X-Request-Id: (\S+)/g)) told.set(id, call.start);
  }
  return told;
}
