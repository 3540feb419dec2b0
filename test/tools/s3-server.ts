import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "./ports.ts";
import { findTool } from "./tools.ts";

/*
 * A real S3 server: versitygw, over a directory.
 */

const ACCESS_KEY = "layerd-tests";
const SECRET_KEY = "not-a-secret-of-anybody";

/** What clients need to have in their environment. */
export const CREDENTIALS = { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY };
const START_WITHIN = 10_000;

/** One server, which can be stopped and started again. */
export class S3Server {
  readonly port: number;
  /** Where its buckets are, as directories. */
  readonly root: string;
  #process: ChildProcess | undefined;

  private constructor(directory: string, port: number) {
    this.root = directory;
    this.port = port;
  }

  static async start(flags: readonly string[] = []): Promise<S3Server> {
    const server = new S3Server(mkdtempSync(join(tmpdir(), "layerd-s3-")), await freePort());
    await server.start(flags);
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves when it answers. @param flags more of them, such as `--readonly`. */
  async start(flags: readonly string[] = []): Promise<void> {
    const program = findTool("versitygw");
    if (program === undefined) throw new Error("versitygw is missing");
    const address = ["--port", `127.0.0.1:${this.port}`, "--health", "/health", "--quiet"];
    const child = spawn(program, [...address, ...flags, "posix", this.root], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ROOT_ACCESS_KEY_ID: ACCESS_KEY, ROOT_SECRET_ACCESS_KEY: SECRET_KEY },
    });
    this.#process = child;
    let said = "";
    child.stderr.on("data", (text) => {
      said = `${said}${text}`.slice(-4000);
    });
    for (const until = Date.now() + START_WITHIN; !(await this.#answers()); await delay(20)) {
      if (child.exitCode !== null || Date.now() > until) throw new Error(`versitygw did not start: ${said}`);
    }
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  /** Ends it at once, whoever is connected. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** @returns the name of a new, empty bucket. */
  bucket(): string {
    return makeBucket(this.root);
  }

  /** Where the objects of a bucket are, as files under their keys. */
  directory(bucket: string): string {
    return join(this.root, bucket);
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.root, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    return await fetch(`${this.url}/health`).then(
      (answer) => answer.ok,
      () => false,
    );
  }
}

/** In the directory of a server. @returns its name */
export function makeBucket(root: string): string {
  const name = `test-${randomBytes(8).toString("hex")}`;
  mkdirSync(join(root, name));
  return name;
}
