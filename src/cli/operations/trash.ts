import { Command } from "commander";
import { ConfigError, loadConfig } from "../../config.ts";
import { parseDigest } from "../../core/digest.ts";
import { parseRepositoryName, parseTag } from "../../core/name.ts";
import { formatTime } from "../../core/time.ts";
import { addSettings, flagsOf, STORE_KEYS } from "../options.ts";
import { formatSize } from "./format.ts";
import type { Target } from "./operations.ts";

export function trashCommand(): Command {
  const command = new Command("trash")
    .description("Show what garbage collection has put into the trash, and bring it back.")
    .option("--json", "One JSON object a line.")
    .addHelpText("after", MORE)
    .action(list)
    .enablePositionalOptions();
  addSettings(command, KEYS);
  command.addCommand(restoreCommand());
  return command;
}

const KEYS = [...STORE_KEYS, "trashTtl", "repository", "rules"] as const;

const MORE = `
Examples:
  layerd trash
  layerd trash restore sha256:4355a46b… --to team/app:v1
`;

async function list(options: Record<string, unknown>): Promise<void> {
  const { config } = loadConfig(flagsOf(options));
  const { withOperations } = await import("./reach.ts");
  await withOperations(config, (operations) =>
    operations.trash(({ digest, size, discardedAt, what, mediaType }) => {
      const until = new Date(discardedAt.getTime() + config.trashTtl).toISOString();
      const line =
        options.json === true
          ? JSON.stringify({ digest, size, discardedAt, until, what, mediaType })
          : `${digest}  ${formatSize(size).padStart(10)}  until ${formatTime(until)}  ${what.padEnd(8)}  ${mediaType}`;
      process.stdout.write(`${line}\n`);
    }),
  );
}

function restoreCommand(): Command {
  const command = new Command("restore")
    .description("Bring back a blob, or a manifest with all that it names.")
    .argument("<digest>", "sha256:… as `layerd trash` shows it")
    .requiredOption("--to <place>", "Where to: a repository, for a manifest maybe with a tag: team/app:v1.")
    .action(async (text: string, options) => {
      const { config } = loadConfig(flagsOf(options));
      const digest = parseDigest(text);
      const to = parseTarget(options.to);
      const { withOperations } = await import("./reach.ts");
      const { what, digests } = await withOperations(config, (operations) => operations.restore(digest, to));
      const rest = digests.length > 1 ? `, with ${digests.length - 1} that it names` : "";
      process.stdout.write(`the ${what} is in ${to.repository} again${rest}\n`);
    });
  return addSettings(command, KEYS);
}

/** @throws ConfigError */
function parseTarget(text: string): Target {
  const [name = "", ...tags] = text.split(":");
  try {
    if (tags.length > 1) throw new Error("a place has one tag");
    return { repository: parseRepositoryName(name), tags: tags.map(parseTag) };
  } catch (error) {
    throw new ConfigError(`--to: ${(error as Error).message}`);
  }
}
