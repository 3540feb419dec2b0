import { join } from "node:path";
import { Postgres } from "../../test/tools/postgres.ts";
import { launchServer } from "../../test/tools/process.ts";
import { CREDENTIALS, S3Server } from "../../test/tools/s3-server.ts";
import { makeWorkspace } from "../toolkit/workspace.ts";
import { PostgresMeter } from "./postgres-meter.ts";
import { S3Meter } from "./s3-meter.ts";

/** What a server keeps things in: files and journal, files and PostgreSQL, S3 and PostgreSQL. */
export type EngineName = "files" | "postgres" | "s3";

/** Stores for servers, with a meter on each way to them. Disposing of them ends and removes everything. */
export interface Engine extends AsyncDisposable {
  readonly name: EngineName;
  /** For `layerd`, any of its commands. */
  readonly flags: readonly string[];
  readonly postgres?: PostgresMeter;
  readonly s3?: S3Meter;
  /** A URL of the database that goes past the meter. */
  readonly database?: string;
  /** Of PostgreSQL's first process. */
  readonly postgresPid?: number | undefined;
  /** Starts a server that does nothing by itself. */
  serve(more?: readonly string[]): Promise<MeasuredServer>;
}

export interface MeasuredServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/** @param directory where data directories are made. */
export async function startEngine(name: EngineName, directory: string): Promise<Engine> {
  await using started = new AsyncDisposableStack();
  const data = started.use(await makeWorkspace(directory)).path;
  const database = name === "files" ? undefined : await startDatabase(started);
  const bucket = name === "s3" ? await startBucket(started) : undefined;
  const flags = [
    ...["--data", join(data, "data")],
    ...(database === undefined ? [] : ["--index", database.metered]),
    ...(bucket === undefined ? [] : bucket.flags),
  ];
  const ending = started.move();
  return {
    name,
    flags,
    ...(database && { postgres: database.meter, database: database.url, postgresPid: database.pid }),
    ...(bucket && { s3: bucket.meter }),
    serve: (more = []) => serve([...flags, "--no-gc", "--scrub-rate", "0", ...more]),
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  };
}

async function serve(flags: readonly string[]): Promise<MeasuredServer> {
  const server = launchServer(flags);
  const url = await server.announced;
  // Whoever looks at its log has to read it, too.
  server.child.stdout?.resume();
  return {
    url,
    pid: server.child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      await server.terminate();
    },
  };
}

async function startDatabase(started: AsyncDisposableStack) {
  const postgres = started.adopt(await Postgres.start(), (server) => server.remove());
  const meter = started.adopt(await PostgresMeter.start(postgres.port), (each) => each.close());
  const url = await postgres.database();
  const metered = new URL(url);
  metered.port = String(meter.port);
  return { meter, url, metered: metered.href, pid: postgres.pid };
}

async function startBucket(started: AsyncDisposableStack) {
  Object.assign(process.env, CREDENTIALS);
  const server = started.adopt(await S3Server.start(), (each) => each.remove());
  const meter = started.adopt(await S3Meter.start(server.port), (each) => each.close());
  const flags = ["--blobs", `s3://${server.bucket()}`, "--s3-endpoint", meter.url, "--s3-path-style"];
  return { meter, flags };
}
