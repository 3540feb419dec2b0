import { setTimeout as delay } from "node:timers/promises";
import { query } from "../../test/tools/postgres.ts";
import { inParallel } from "../toolkit/bench.ts";
import { familySeconds, processorSeconds } from "../toolkit/proc.ts";
import { Client } from "./client.ts";
import type { Engine, MeasuredServer } from "./engines.ts";
import { type Kind, makeStage, type Stage } from "./kinds.ts";
import type { PostgresCounts } from "./postgres-meter.ts";
import { Repository } from "./registry.ts";
import type { S3Counts } from "./s3-meter.ts";
import type { SystemCallMeter, SystemCalls } from "./system-calls.ts";

/** What one request of a kind costs; what an engine does not have is absent. */
export interface Counts {
  readonly postgres?: PostgresCounts;
  /** Bytes of write-ahead log. */
  readonly wal?: number;
  readonly s3?: S3Counts;
  readonly calls?: SystemCalls;
  /** Bytes between client and server, heads and bodies. */
  readonly sent: number;
  readonly received: number;
}

/** Microseconds of processor time that one request takes. */
export interface ProcessorTime {
  readonly server: number;
  readonly postgres?: number;
}

// Milliseconds without anything that make an end: what goes on behind an answer belongs to its request.
const QUIET = 60;
const LOOK_EVERY = 15;
const AT_ONCE = 8;

/** One server under measurement. Disposing of it ends the server. */
export class Measurement implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #server: MeasuredServer;
  readonly #client: Client;
  readonly #crowd: Client;
  readonly #stage: Stage;
  readonly #crowdStage: Stage;

  private constructor(engine: Engine, server: MeasuredServer, clients: [Client, Client], stage: Stage) {
    this.#engine = engine;
    this.#server = server;
    [this.#client, this.#crowd] = clients;
    this.#stage = stage;
    this.#crowdStage = { ...stage, ...repositoriesOf(this.#crowd) };
  }

  static async start(engine: Engine, more: readonly string[] = []): Promise<Measurement> {
    const server = await engine.serve(more);
    const clients: [Client, Client] = [new Client(server.url, 1), new Client(server.url, AT_ONCE)];
    const { app, other } = repositoriesOf(clients[0]);
    const stage = await makeStage(app, other, () => forgetPromises(engine));
    return new Measurement(engine, server, clients, stage);
  }

  get pid(): number {
    return this.#server.pid;
  }

  /** Makes one request, alone. */
  async count(kind: Kind, tracer?: SystemCallMeter): Promise<Counts> {
    const { postgres, s3 } = this.#engine;
    const work = await kind.prepare(this.#stage);
    await this.#settle();
    postgres?.take();
    s3?.take();
    await tracer?.take();
    const wal = await this.#wal();
    const bytes = this.#client.bytes;
    await work();
    const { sent, received } = this.#client.bytes;
    await this.#settle();
    return {
      sent: sent - bytes.sent,
      received: received - bytes.received,
      ...(wal !== undefined && { wal: ((await this.#wal()) ?? 0) - wal }),
      ...(postgres && { postgres: postgres.take() }),
      ...(s3 && { s3: s3.take() }),
      ...(tracer && { calls: await tracer.take() }),
    };
  }

  /** Makes many, some at a time, so that the kernel's clock of 10 ms is fine enough. */
  async processorTime(kind: Kind, times = kind.times): Promise<ProcessorTime> {
    const { postgresPid } = this.#engine;
    const all: (() => Promise<void>)[] = [];
    for (let n = 0; n < times; n += 1) all.push(await kind.prepare(this.#crowdStage));
    await this.#settle();
    const now = () => ({
      server: processorSeconds(this.#server.pid),
      ...(postgresPid && { postgres: familySeconds(postgresPid) }),
    });
    const before = now();
    await inParallel(all, AT_ONCE, (work) => work());
    await this.#settle();
    const after = now();
    const each = (seconds: number) => (seconds * 1e6) / times;
    return {
      server: each(after.server - before.server),
      ...(before.postgres !== undefined && { postgres: each((after.postgres ?? 0) - before.postgres) }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    this.#crowd.close();
    await this.#server[Symbol.asyncDispose]();
  }

  /** Resolves when nothing goes to the stores any more. */
  async #settle(): Promise<void> {
    const { postgres, s3 } = this.#engine;
    if (postgres === undefined && s3 === undefined) return await delay(QUIET);
    const sum = () => (postgres?.asked ?? 0) + (s3?.sum ?? 0);
    for (let quiet = 0, last = sum(); quiet < QUIET; quiet += LOOK_EVERY) {
      await delay(LOOK_EVERY);
      if (sum() !== last) quiet = 0;
      last = sum();
    }
  }

  async #wal(): Promise<number | undefined> {
    const { database } = this.#engine;
    if (database === undefined) return undefined;
    const [lsn] = await query(database, "select pg_current_wal_insert_lsn() - '0/0'");
    return Number(lsn);
  }
}

function repositoriesOf(client: Client) {
  return { app: new Repository(client), other: new Repository(client, "team/other") };
}

/** A server with its index in files forgets with its generations, which cost nothing. */
async function forgetPromises({ database }: Engine): Promise<void> {
  if (database !== undefined) await query(database, "update promise_generation set current = current + 1");
}
