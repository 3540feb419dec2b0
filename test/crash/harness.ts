import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../tools/eventually.ts";
import { Random } from "../tools/random.ts";
import { type Content, type Image, makeImage, makeIndex, makePool } from "./contents.ts";
import { Client, Cut } from "./http.ts";
import { LIBRARY, LoadClient, type World } from "./load.ts";
import { Model, type Repository } from "./model.ts";
import { type Collected, Server } from "./server.ts";
import { Failure } from "./uploads.ts";
import { checkFiles, deleteEverything, filesIn, openFiles, verify } from "./verify.ts";

export interface CrashOptions {
  /** A directory that does not exist yet, or is empty. */
  readonly data: string;
  readonly seed: number;
  readonly kills: number;
  /** Milliseconds after which no further kill is begun. Default: none. */
  readonly time?: number;
  readonly clients: number;
  /** Told of every round that is over. */
  readonly onRound?: (summary: CrashSummary) => void;
}

export interface CrashSummary {
  readonly seed: number;
  kills: number;
  /** Kills before the server had said that it listens. */
  killedStarting: number;
  operations: number;
  /** Requests that would have changed something and had no answer when the server was killed. */
  inFlight: number;
  readonly collected: Collected;
}

const GRACE = 1000;
const GC_INTERVAL = 150;
const REPOSITORIES: readonly Repository[] = [
  { name: LIBRARY, keepsUnused: true, collectsUntagged: false, share: 0.2 },
  { name: "team/app", keepsUnused: false, collectsUntagged: false, share: 1 },
  { name: "team/web", keepsUnused: false, collectsUntagged: false, share: 1 },
  { name: "scratch/app", keepsUnused: false, collectsUntagged: true, share: 1 },
];
const SETTINGS = [
  ...[
    "--gc-interval",
    `${GC_INTERVAL}ms`,
    "--gc-grace",
    `${GRACE}ms`,
    "--trash-ttl",
    "1s",
    "--min-free",
    "0",
  ],
  ...["--rule", '{"repositories":"scratch/**","keepUntagged":"1s"}'],
];
// Of three rounds in ten a collection comes to links and manifests: it waits for the grace period first.
const LONG_ROUNDS = 0.3;
const STARTING = 0.04;
// Clients come back before the first collection, or after it.
const LATE_RETURNS = 0.3;
const SYNCED_ROUNDS = 0.2;
// Of contents and of images.
const SHA512 = 0.15;
// Sockets of a server that nobody talks to: its address, the one for `layerd gc`, and two for its output.
const IDLE_SOCKETS = 4;

/** Images, some of them in an index, or referred to by another one; in an order in which each needs only earlier ones. */
function makeImages(random: Random, pool: readonly Content[]): Image[] {
  const some = () => [...new Set(Array.from({ length: random.int(2, 5) }, () => random.pick(pool)))];
  const images: Image[] = [];
  for (let at = 0; at < 20; at += 1) {
    const algorithm = random.chance(SHA512) ? "sha512" : "sha256";
    images.push(makeImage(some(), `${at}`, { algorithm }));
    if (at % 4 !== 3) continue;
    images.push(makeIndex([...new Set([random.pick(images), random.pick(images)])], `index ${at}`));
    images.push(makeImage(some(), `referrer ${at}`, { subject: random.pick(images) }));
  }
  return images;
}

/** Kills a server under load again and again, and holds what is left against what clients were told. */
export class CrashRun {
  readonly #options: CrashOptions;
  readonly #random: Random;
  readonly #world: World;
  readonly summary: CrashSummary;
  #killedAt = 0;

  constructor(options: CrashOptions) {
    this.#options = options;
    const random = new Random(options.seed);
    this.#random = random;
    const pool = makePool(
      random,
      [
        [60, 1, 3000],
        [8, 60_000, 200_000],
        [3, 1_000_000, 3_000_000],
      ],
      SHA512,
    );
    const images = makeImages(random, pool);
    const model = new Model(GRACE);
    for (const image of images) model.remember(image);
    const tags = ["a", "b", "c", "d", "e", "f"];
    this.#world = {
      model,
      repositories: REPOSITORIES,
      pool,
      images,
      tags,
      sessions: new Set(),
      operations: 0,
    };
    const collected = { manifests: 0, links: 0, blobs: 0, purged: 0 };
    this.summary = { seed: options.seed, kills: 0, killedStarting: 0, operations: 0, inFlight: 0, collected };
  }

  /** @throws Failure when the server has broken a promise */
  async run(): Promise<CrashSummary> {
    const { kills, time = Number.POSITIVE_INFINITY } = this.#options;
    const until = Date.now() + time;
    while (this.summary.kills < kills && Date.now() < until) {
      await this.#round();
      this.#options.onRound?.(this.summary);
    }
    await this.#end();
    return this.summary;
  }

  /** Starts, verifies what the last kill has left, loads, kills. */
  async #round(): Promise<void> {
    const durability = this.#random.chance(SYNCED_ROUNDS) ? "full" : "os";
    const time = this.#random.chance(LONG_ROUNDS) ? this.#random.int(1000, 3500) : this.#random.int(20, 500);
    await this.#with(["--durability", durability], async (client, server) => {
      if (client === undefined) return;
      const clients = Array.from({ length: this.#options.clients }, () => this.#random.int(0, 2 ** 32));
      let killed = false;
      const loads = clients.map((seed) => this.#load(client, new Random(seed), () => killed));
      const load = Promise.all(loads);
      await Promise.race([delay(time), load]);
      killed = true;
      await this.#kill(server);
      await load;
    });
  }

  async #load(client: Client, random: Random, killed: () => boolean): Promise<void> {
    const load = new LoadClient(this.#world, client, random);
    try {
      while (!killed()) await load.step();
    } catch (error) {
      if (!(error instanceof Cut && killed())) throw error;
    }
  }

  async #kill(server: Server): Promise<void> {
    const killing = server.kill();
    this.#killedAt = Date.now();
    await killing;
    this.summary.kills += 1;
    this.summary.inFlight += this.#world.model.inFlight;
    this.#world.model.inFlight = 0;
    await checkFiles(this.#options.data);
  }

  /** With a server on the data, which has been verified; without a client when it was killed while it started. */
  async #with(
    args: readonly string[],
    work: (client: Client | undefined, server: Server) => Promise<void>,
  ): Promise<void> {
    const startingTime = this.#random.chance(STARTING) ? this.#random.int(50, 400) : undefined;
    const server = Server.launch(["--data", this.#options.data, ...SETTINGS, ...args]);
    let client: Client | undefined;
    try {
      if (startingTime !== undefined) {
        await delay(startingTime);
        await this.#kill(server);
        this.summary.killedStarting += 1;
        return;
      }
      client = new Client(await server.url);
      this.#world.model.restarted(this.#killedAt, server.startedAt);
      if (this.#random.chance(LATE_RETURNS)) await delay(2 * GC_INTERVAL);
      await verify(this.#world, client, this.#random, server.startedAt);
      await work(client, server);
    } finally {
      client?.close();
      await server.kill();
      this.#count(server);
    }
    if (server.errors.length > 0)
      throw new Failure(`the server has logged: ${server.errors.slice(0, 5).join("\n")}`);
  }

  #count({ collected }: Server): void {
    this.summary.operations = this.#world.operations;
    for (const key of Object.keys(collected) as (keyof Collected)[])
      this.summary.collected[key] += collected[key];
  }

  /** Nothing that nobody needs may be left. */
  async #end(): Promise<void> {
    const { data } = this.#options;
    // First with the time to go on with every upload: of what nobody goes on with, nothing is to be left below.
    while (this.#world.sessions.size > 0) {
      await this.#with([], async (client, server) => {
        if (client !== undefined) await this.#kill(server);
      });
    }
    await this.#with(["--durability", "os", "--upload-ttl", "1s"], async (client, server) => {
      if (client === undefined) return await this.#end();
      await deleteEverything(this.#world, client);
      client.close();
      const left = async () =>
        (
          await Promise.all(["blobs", "uploads", "trash"].map((directory) => filesIn(data, directory)))
        ).flat();
      const nothingLeft = eventually(async () => (await left()).length === 0);
      await nothingLeft.catch(async () => {
        throw new Failure(`left when everything was deleted: ${(await left()).join(", ")}`);
      });
      const isIdle = eventually(async () => {
        const { files, sockets } = await openFiles(server.pid, data);
        return files.length === 0 && sockets <= IDLE_SOCKETS;
      });
      await isIdle.catch(async () => {
        throw new Failure(`still open: ${JSON.stringify(await openFiles(server.pid, data))}`);
      });
    });
  }
}
