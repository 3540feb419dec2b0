import { styleText } from "node:util";
import { Command } from "commander";
import { ConfigError, check, loadConfig, size } from "../../config.ts";
import { formatTime } from "../../core/time.ts";
import type { Rot, Scrubbed } from "../../create.ts";
import { addSettings, flagsOf, STORE_KEYS } from "../options.ts";
import { formatSize } from "./format.ts";
import { ProgressLine } from "./progress-line.ts";

// Exit code: something is wrong with what is stored.
const FOUND = 1;

export function scrubCommand(): Command {
  const command = new Command("scrub")
    .description("Read every blob, compare it with its digest, and take what is damaged out of service.")
    .option("--rate <size>", "Bytes a second to be read at most. Default: no limit.")
    .option("--json", "One JSON object a line: what is damaged, then what it came to.")
    .addHelpText("after", MORE)
    .action(scrub);
  return addSettings(command, [...STORE_KEYS, "trashTtl"]);
}

const MORE = `
The exit code is 1 when something is damaged. Pushing it again heals it (docs/scrub.md).

Examples:
  layerd scrub
  layerd scrub --rate 50MiB --data /srv/layers --json | jq -r 'select(.what == "quarantined").digest'
`;

async function scrub(options: Record<string, unknown>): Promise<void> {
  const { config } = loadConfig(flagsOf(options));
  const rate = options.rate === undefined ? undefined : parseRate(String(options.rate));
  const { withOperations } = await import("./reach.ts");
  const json = options.json === true;
  const line = new ProgressLine();
  const report = (rot: Rot) => {
    line.clear();
    process.stdout.write(json ? `${JSON.stringify(rot)}\n` : describe(rot));
  };
  const scrubbed = await withOperations(config, (operations) =>
    operations.scrub({ rate, report, progress: line.shown ? (progress) => line.show(progress) : undefined }),
  ).finally(() => line.clear());
  process.stdout.write(json ? `${JSON.stringify(scrubbed)}\n` : describeSum(scrubbed));
  if (scrubbed.quarantined + scrubbed.kept + scrubbed.unreadable > 0) process.exitCode = FOUND;
}

/** @throws ConfigError */
function parseRate(text: string): number {
  const checked = check(size, text);
  if ("message" in checked) throw new ConfigError(`--rate: ${checked.message}`);
  if (checked.value === 0)
    throw new ConfigError("--rate: 0 would never end; without --rate there is no limit");
  return checked.value;
}

const dim = (text: string) => styleText("dim", text, { stream: process.stdout });

function remedyOf({ what, file, until = "" }: Rot): string {
  switch (what) {
    case "quarantined":
      return `it is not served; push it again${file === undefined ? "" : `\n  until ${formatTime(until)} its bytes are in ${file}`}`;
    case "kept":
      return "it is just being used or pushed, and stays; scrub again";
    case "unreadable":
      return "it stays where it is; look at the disk";
    default:
      return what satisfies never;
  }
}

function describe(rot: Rot): string {
  const { digest, size, what, why, neededBy } = rot;
  const length = size === undefined ? "" : `  ${formatSize(size)}`;
  const needs = neededBy.map(({ repository, as, manifests }) => {
    const named = manifests.length === 0 ? "" : `, named by ${manifests.join(", ")}`;
    return `  ${as === "manifest" ? "a manifest" : "a blob"} of ${repository}${named}\n`;
  });
  const nobody = needs.length === 0 ? [`  ${dim("no repository has it")}\n`] : needs;
  return `${what}  ${digest}${length}\n  ${dim(why)}\n${nobody.join("")}  ${remedyOf(rot)}\n`;
}

function describeSum({ blobs, bytes, quarantined, kept, unreadable }: Scrubbed): string {
  const read = `${blobs} blobs read, ${formatSize(bytes)}`;
  if (quarantined + kept + unreadable === 0) return `${read}: all are what they should be\n`;
  return `${read}: ${quarantined} quarantined, ${kept} damaged and kept, ${unreadable} unreadable\n`;
}
