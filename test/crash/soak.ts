import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Random } from "../tools/random.ts";
import { makeImage, makePool } from "./contents.ts";
import { Client } from "./http.ts";
import { Server } from "./server.ts";
import { Puller, Pusher, type SoakWorld } from "./soak-clients.ts";

const USAGE = `Lets many clients push and pull while garbage is collected every second.

Usage: node test/crash/soak.ts [options]

  --minutes N    so long (default: 10)
  --pushers N    clients that push (default: 16)
  --pullers N    clients that pull (default: 16)
  --seed N       chooses what the clients do
  --help         this text

Nobody may see an error that comes of the collections, as long as a push or a pull takes no longer than the grace
period. Every ten seconds the memory of the server is told; it must not have grown from the second third of the time to
the last.
`;

const GRACE = 2000;
const SETTINGS = [
  ...["--durability", "os", "--min-free", "0", "--upload-ttl", "1m"],
  ...["--gc-interval", "1s", "--gc-grace", `${GRACE}ms`, "--trash-ttl", "2s"],
  ...["--rule", '{"repositories":"**","keepUntagged":"1s"}'],
];
const REPORT_EVERY = 10_000;
const FAILURES_TOLD = 10;
const MiB = 1024 * 1024;
// What the heap of a process that is at rest comes and goes by.
const NOISE = 16 * MiB;
// A process that has just started grows: of less than three minutes nothing can be said.
const SAMPLES_MIN = 18;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function makeWorld(random: Random): SoakWorld {
  // As many blobs as make each of them old enough to be collected about as often as somebody pushes it again.
  const pool = makePool(random, [
    [380, 10, 5000],
    [20, 100_000, 300_000],
  ]);
  const images = Array.from({ length: 300 }, (_, at) =>
    makeImage([...new Set(Array.from({ length: 3 }, () => random.pick(pool)))], `${at}`),
  );
  const counts = { pushed: 0, skipped: 0, sent: 0, pulled: 0, deleted: 0, late: 0 };
  const repositories = ["soak/a", "soak/b", "soak/c", "soak/d"];
  // As many tags as make some of them stay for longer than a promise holds before they move on.
  const tags = Array.from({ length: 40 }, (_, at) => `v${at}`);
  return { repositories, images, tags, grace: GRACE, counts };
}

/** Bytes. */
async function residentMemory(pid: number): Promise<number> {
  const [, kilobytes] = /VmRSS:\s*(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

function isFlat(samples: readonly number[]): boolean {
  const third = Math.floor(samples.length / 3);
  if (samples.length < SAMPLES_MIN) return true;
  const mean = (part: readonly number[]) => part.reduce((sum, value) => sum + value, 0) / part.length;
  return mean(samples.slice(-third)) < mean(samples.slice(-2 * third, -third)) * 1.05 + NOISE;
}

interface Soak {
  readonly milliseconds: number;
  readonly pushers: number;
  readonly pullers: number;
  readonly seed: number;
}

async function soak(server: Server, { milliseconds, pushers, pullers, seed }: Soak): Promise<string[]> {
  const random = new Random(seed);
  const world = makeWorld(random);
  const client = new Client(await server.url);
  const until = Date.now() + milliseconds;
  const failures: string[] = [];
  const loop = async (one: { step(): Promise<void> }) => {
    while (Date.now() < until) {
      await one.step().catch((error: unknown) => failures.push(`${new Date().toISOString()} ${error}`));
    }
  };
  const seeded = () => new Random(random.int(0, 2 ** 32));
  const loops = [
    ...Array.from({ length: pushers }, () => loop(new Pusher(world, client, seeded()))),
    ...Array.from({ length: pullers }, () => loop(new Puller(world, client, seeded()))),
  ];
  const samples: number[] = [];
  const told = async () => {
    samples.push(await residentMemory(server.pid));
    say(
      JSON.stringify({ MiB: Math.round((samples.at(-1) ?? 0) / MiB), ...world.counts, ...server.collected }),
    );
  };
  while (Date.now() < until) {
    await delay(Math.min(REPORT_EVERY, until - Date.now()));
    await told();
  }
  await Promise.all(loops);
  client.close();
  if (!isFlat(samples)) failures.push("the memory of the server has grown");
  if (server.collected.blobs === 0) failures.push("nothing was collected: this has shown nothing");
  return [...failures, ...server.errors.map((line) => `logged: ${line}`)];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "10" },
      pushers: { type: "string", default: "16" },
      pullers: { type: "string", default: "16" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const data = await mkdtemp(join(tmpdir(), "layerd-soak-"));
  const server = Server.launch(["--data", data, ...SETTINGS]);
  try {
    const failures = await soak(server, {
      ...{ milliseconds: Number(values.minutes) * 60_000, seed: Number(values.seed) },
      ...{ pushers: Number(values.pushers), pullers: Number(values.pullers) },
    });
    for (const failure of failures.slice(0, FAILURES_TOLD)) say(failure);
    say(failures.length === 0 ? "no error that comes of garbage collection" : `${failures.length} FAILED`);
    return failures.length === 0 ? 0 : 1;
  } finally {
    await server.kill();
    await rm(data, { recursive: true, force: true });
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.exitCode = await main();
