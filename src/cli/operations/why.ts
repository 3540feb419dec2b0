import { Command } from "commander";
import { ConfigError, loadConfig } from "../../config.ts";
import { type Digest, digestOfId } from "../../core/digest.ts";
import type { Explanation } from "../../create.ts";
import { addSettings, flagsOf, STORE_KEYS } from "../options.ts";
import { describeExplanation } from "./explanation.ts";

// As of grep: what was looked for is not there.
const NOT_HERE = 1;

export function whyCommand(): Command {
  const command = new Command("why")
    .description("Say why a layer or a manifest is kept: where it is needed, and until when it stays.")
    .argument("<digest>", "sha256:… as listings show it, or the hex alone")
    .option("--json", "One JSON object.")
    .addHelpText("after", MORE)
    .action(async (text: string, options) => {
      const { config } = loadConfig(flagsOf(options));
      const digest = digestFrom(text);
      const { withOperations } = await import("./reach.ts");
      const explanation = await withOperations(config, (operations) => operations.why(digest));
      const written =
        options.json === true ? JSON.stringify(explanation) : describeExplanation(explanation, new Date());
      process.stdout.write(`${written}\n`);
      if (!isHere(explanation)) process.exitCode = NOT_HERE;
    });
  return addSettings(command, [...STORE_KEYS, "repository", "rules", "gcGrace", "trashTtl"]);
}

const MORE = `
It ends with 0 when it is here, be it in the trash, and with 1 when it is not.
A running server goes by its own settings; those given here count when none runs.

Examples:
  layerd why sha256:4355a46b…
  layerd why 4355a46b… --json | jq -r '.repositories[].tags.items[]'
`;

/** @throws ConfigError */
function digestFrom(text: string): Digest {
  const digest = digestOfId(text);
  if (digest !== undefined) return digest;
  throw new ConfigError(`${JSON.stringify(text.slice(0, 150))} is not a digest: sha256:<64 hex digits>`);
}

function isHere({ size, trash, repositories }: Explanation): boolean {
  if (size !== undefined || trash !== undefined) return true;
  return repositories.some(({ manifest, blob }) => manifest !== undefined || blob !== undefined);
}
