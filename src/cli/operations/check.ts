import { styleText } from "node:util";
import { Command } from "commander";
import { ConfigError, loadConfig, type ServerConfig } from "../../config.ts";
import { parseRepositoryName, type RepositoryName } from "../../core/name.ts";
import type { Checked, Fault, Found, Recovered, Repair, Repaired } from "../../create.ts";
import { addSettings, flagsOf, STORE_KEYS } from "../options.ts";
import { describeRepair, describeRepaired } from "./repair.ts";

// Exit code: something is wrong with what is stored.
const FOUND = 1;

export function checkCommand(): Command {
  const command = new Command("check")
    .description("Hold the index against the store, and say what is wrong and what to do about it.")
    .option("--repair", "Before that, repair what can be repaired without guessing.")
    .option("--rebuild-index", "Before that, look for manifests that no repository has among the blobs.")
    .option("--into <repository>", "Where those are put, without tags, which cannot be known.", "recovered")
    .option("--dry-run", "Say what --repair or --rebuild-index would do, and change nothing.")
    .option("--json", "One JSON object a line: what is found, then what it came to.")
    .addHelpText("after", MORE)
    .action(async (options) => {
      const { config } = loadConfig(flagsOf(options));
      const print = options.json === true ? printJson : printText;
      const changing = { into: parseInto(options.into), dryRun: options.dryRun === true };
      if (changing.dryRun && options.repair !== true && options.rebuildIndex !== true)
        throw new ConfigError("--dry-run goes with --repair or --rebuild-index");
      if (options.repair === true) await repair(config, changing, print);
      if (options.rebuildIndex === true) await rebuild(config, changing, print);
      const { withOperations } = await import("./reach.ts");
      const checked = await withOperations(config, (operations) =>
        operations.check((fault) => print({ fault })),
      );
      print({ checked });
      if (checked.faults > 0) process.exitCode = FOUND;
    });
  return addSettings(command, [...STORE_KEYS, "sparse", "rules"]);
}

const MORE = `
A running server goes by its own settings; those given here count when none runs. --repair and --rebuild-index work
when none runs. The exit code is 1 when something is wrong (docs/scrub.md).

Examples:
  layerd check
  layerd check --repair --dry-run
  layerd check --rebuild-index --into lost-and-found --data /srv/layers
`;

interface Changing {
  readonly into: RepositoryName;
  readonly dryRun: boolean;
}

async function repair(config: ServerConfig, changing: Changing, print: Print): Promise<void> {
  const { withClosedStore } = await import("./reach.ts");
  const repaired = await withClosedStore(config, "a store is repaired when no server runs", (registry) =>
    registry.repairer.repair({
      ...changing,
      report: (each) => print({ repair: each, dryRun: changing.dryRun }),
    }),
  );
  print({ repaired, dryRun: changing.dryRun });
}

async function rebuild(config: ServerConfig, { into, dryRun }: Changing, print: Print): Promise<void> {
  const { withClosedStore } = await import("./reach.ts");
  const recovered = await withClosedStore(config, "an index is rebuilt when no server runs", (registry) =>
    registry.recovery.recover(into, { dryRun, report: (found) => print({ found, into }) }),
  );
  print({ recovered, into, dryRun });
}

/** @throws ConfigError */
function parseInto(text: string): RepositoryName {
  try {
    return parseRepositoryName(text);
  } catch (error) {
    throw new ConfigError(`--into: ${(error as Error).message}`);
  }
}

type Printed =
  | { readonly fault: Fault }
  | { readonly checked: Checked }
  | { readonly repair: Repair; readonly dryRun: boolean }
  | { readonly repaired: Repaired; readonly dryRun: boolean }
  | { readonly found: Found; readonly into: RepositoryName }
  | ({ readonly recovered: Recovered } & Changing);
type Print = (printed: Printed) => void;

function printJson(printed: Printed): void {
  process.stdout.write(`${JSON.stringify(printed)}\n`);
}

const dim = (text: string) => styleText("dim", text, { stream: process.stdout });

function printText(printed: Printed): void {
  process.stdout.write(`${describe(printed)}\n`);
}

function describe(printed: Printed): string {
  if ("fault" in printed) return describeFault(printed.fault);
  if ("checked" in printed) return describeSum(printed.checked);
  if ("repair" in printed) return describeRepair(printed.repair, printed.dryRun);
  if ("repaired" in printed) return describeRepaired(printed.repaired, printed.dryRun);
  if ("found" in printed) return describeFound(printed.found);
  const { manifests, blobs } = printed.recovered;
  const done = printed.dryRun ? `would be put into ${printed.into}` : `are in ${printed.into} now`;
  return `${manifests} manifests and ${blobs} blobs ${done}`;
}

function describeFault({ repository, tag, digest, manifest, problem, remedy }: Fault): string {
  const where = [repository, tag, digest].filter((part) => part !== undefined).join("  ");
  const by = manifest === undefined ? "" : ` (the manifest is ${manifest})`;
  return `${where}\n  ${problem}${by}\n  ${dim(remedy)}`;
}

function describeFound({ digest, mediaType, missing }: Found): string {
  const gone = missing.length === 0 ? "" : `\n  ${dim(`not stored any more: ${missing.join(", ")}`)}`;
  return `found  ${digest}  ${mediaType}${gone}`;
}

function describeSum({ repositories, manifests, blobs, tags, faults }: Checked): string {
  const looked = `${repositories} repositories, ${manifests} manifests, ${blobs} blobs, ${tags} tags checked`;
  return `${looked}: ${faults === 0 ? "nothing is wrong" : `${faults} faults`}`;
}
