import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CrashRun, type CrashSummary } from "./harness.ts";

const USAGE = `Kills the real server under load again and again, and verifies what is left.

Usage: node test/crash/run.ts [options]

  --kills N      so many times (default: 500, which takes about 15 minutes)
  --clients N    clients at the same time (default: 8)
  --seed N       chooses what the clients do; a failure names the seed that comes close to it again
  --keep         leaves the data directory, and says where it is, when something was wrong
  --help         this text

Every client pushes, mounts, tags, reads and deletes at random, and remembers what it was told, while garbage is
collected several times a second. After each kill and restart everything acknowledged must be there byte for byte;
what was in flight, whole or not at all. At the end everything is deleted, and no file and no descriptor may be left.
`;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function describe({ seed, kills, killedStarting, operations, inFlight, collected }: CrashSummary): string {
  const { manifests, links, blobs, purged } = collected;
  return [
    `${kills} kills (${killedStarting} while starting), ${operations} operations, ${inFlight} requests in flight when killed`,
    `collected: ${manifests} manifests, ${links} links, ${blobs} blobs, ${purged} purged from the trash; seed ${seed}`,
  ].join("\n");
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "500" },
      clients: { type: "string", default: "8" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const data = await mkdtemp(join(tmpdir(), "layerd-crash-"));
  const run = new CrashRun({
    data,
    ...{ seed: Number(values.seed), kills: Number(values.kills), clients: Number(values.clients) },
    onRound: (summary) => {
      if (summary.kills % 25 === 0) say(describe(summary));
    },
  });
  let failed = true;
  try {
    await run.run();
    failed = false;
  } catch (error) {
    say(error instanceof Error ? String(error.stack) : String(error));
  }
  if (failed && values.keep) say(`left in ${data}`);
  else await rm(data, { recursive: true, force: true });
  say(describe(run.summary));
  say(failed ? "FAILED" : "nothing acknowledged was lost, nothing partial was visible, nothing has leaked");
  return failed ? 1 : 0;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.exitCode = await main();
