import { styleText } from "node:util";
import { Command } from "commander";
import { ConfigError, loadConfig } from "../../config.ts";
import type { Collected, Stay, Verdict } from "../../create.ts";
import { addSettings, flagsOf, STORE_KEYS } from "../options.ts";
import { formatCount, formatSize } from "./format.ts";

export function gcCommand(): Command {
  const command = new Command("gc")
    .description("Collect garbage now: in the running server, or in the data directory when none runs.")
    .option("--dry-run", "Say what would be removed and why, and remove nothing.")
    .option("--verbose", "In a dry run, say also what would stay and why: everything, one by one.")
    .option("--json", "One JSON object a line: what is removed, then what it came to.")
    .addHelpText("after", MORE)
    .action(async (options) => {
      const { config } = loadConfig(flagsOf(options));
      const { withOperations } = await import("./reach.ts");
      const print = options.json === true ? printJson : printText;
      const dryRun = options.dryRun === true;
      const verbose = options.verbose === true;
      if (verbose && !dryRun) throw new ConfigError("--verbose goes with --dry-run");
      const stays = async (stay: Stay) => print({ verdict: stay });
      const collected = await withOperations(config, (operations) =>
        operations.collect({
          dryRun,
          report: (verdict) => print({ verdict }),
          stays: verbose ? stays : undefined,
        }),
      );
      print({ collected, dryRun });
    });
  return addSettings(command, [...STORE_KEYS, "repository", "rules", "gcGrace", "trashTtl"]);
}

const MORE = `
A running server goes by its own settings; those given here count when none runs.

Examples:
  layerd gc --dry-run
  layerd gc --dry-run --verbose | grep ci/app
  layerd gc --data /srv/layers --json | jq -r 'select(.what == "blob").digest'
`;

type Printed =
  | { readonly verdict: Verdict | Stay }
  | { readonly collected: Collected; readonly dryRun: boolean };

function printJson(printed: Printed): void {
  process.stdout.write(`${JSON.stringify("verdict" in printed ? printed.verdict : printed.collected)}\n`);
}

const dim = (text: string) => styleText("dim", text, { stream: process.stdout });

function printText(printed: Printed): void {
  if ("verdict" in printed) printVerdict(printed.verdict);
  else printSum(printed);
}

function printSum(printed: Exclude<Printed, { readonly verdict: Verdict | Stay }>): void {
  const { tags, manifests, links, blobs, bytes, purged, purgedBytes, waitsUntil } = printed.collected;
  const { disposed, disposedBytes } = printed.collected;
  const [trashed, freed] = printed.dryRun ? ["would go", "would be freed"] : ["went", "was freed"];
  const rest =
    disposed === 0
      ? ""
      : ` and ${formatSize(disposedBytes)} in ${formatCount(disposed, "blob")} in quarantine`;
  process.stdout.write(
    `${formatCount(tags, "tag")}, ${formatCount(manifests, "manifest")}, ${formatCount(links, "link")} of blobs; ` +
      `${formatCount(blobs, "blob")} of ${formatSize(bytes)} ${trashed} to the trash, ` +
      `${formatSize(purgedBytes)} in ${formatCount(purged, "blob")} of it${rest} ${freed}\n`,
  );
  if (waitsUntil === undefined) return;
  const sentence = `Repositories are left as they are until ${waitsUntil}: what was promised to clients before the`;
  process.stdout.write(`${dim(`${sentence} server's start is not known (docs/gc.md).`)}\n`);
}

function printVerdict(verdict: Verdict | Stay): void {
  const { what, digest, why } = verdict;
  process.stdout.write(`${what.padEnd(10)}  ${digest}  ${whereOf(verdict)}  ${dim(why)}\n`);
}

function whereOf(verdict: Verdict | Stay): string {
  if ("tag" in verdict) return `${verdict.repository}:${verdict.tag}`;
  if (verdict.what === "stays") {
    const { repository, as, size } = verdict;
    return repository === undefined ? formatSize(size) : `${repository}  ${as}`;
  }
  return "repository" in verdict ? verdict.repository : formatSize(verdict.size);
}
