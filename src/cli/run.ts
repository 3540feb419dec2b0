import { styleText } from "node:util";
import { Command, CommanderError } from "commander";
import { ConfigError, didYouMean } from "../config.ts";
import { VERSION } from "../version.ts";
import { configCommand } from "./config.ts";
import { explainFailure } from "./failures.ts";
import { healthCommand } from "./health.ts";
import { migrateCommand } from "./migrate.ts";
import { migrateStoreCommand } from "./migrate-store.ts";
import { checkCommand } from "./operations/check.ts";
import { gcCommand } from "./operations/gc.ts";
import { scrubCommand } from "./operations/scrub.ts";
import { trashCommand } from "./operations/trash.ts";
import { whyCommand } from "./operations/why.ts";
import { ignoreBrokenPipes } from "./process.ts";
import { serveCommand } from "./serve.ts";

// Exit codes: 1 when something went wrong, 2 when what was asked for makes no sense.
const FAILED = 1;
const MISUSED = 2;

/** Runs a command line. Whatever goes wrong ends in one sentence on stderr and an exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  ignoreBrokenPipes();
  const program = makeProgram();
  if (argv.length === 2) return program.outputHelp();
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    // A command that only has subcommands has shown them.
    if (error instanceof CommanderError && error.code === "commander.help") {
      process.exitCode = MISUSED;
      return;
    }
    process.stderr.write(`layerd: ${explain(error, program)}\n`);
    process.exitCode = error instanceof ConfigError || error instanceof CommanderError ? MISUSED : FAILED;
  }
}

const COMMANDS = [
  serveCommand,
  gcCommand,
  trashCommand,
  whyCommand,
  scrubCommand,
  checkCommand,
  migrateCommand,
  migrateStoreCommand,
  configCommand,
  healthCommand,
];

function makeProgram(): Command {
  const program = new Command("layerd")
    .description("A store for layers and manifests, for curl and for container tools.")
    .version(VERSION, "--version", "Show the version.")
    .helpOption("-h, --help", "Show this help.")
    .helpCommand(false)
    // A flag belongs to the command that stands before it.
    .enablePositionalOptions()
    .addHelpText("after", EXAMPLES);
  for (const make of COMMANDS) {
    program.addCommand(make());
  }
  for (const command of withSubcommands(program)) {
    command
      .helpCommand(false)
      .exitOverride()
      .showSuggestionAfterError(false)
      .configureHelp({ styleTitle: (title) => styleText("bold", title) })
      // The error is thrown as well, and said once, by `run`.
      .configureOutput({ outputError: () => undefined });
  }
  return program;
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

const EXAMPLES = `
Examples:
  layerd serve                            http://127.0.0.1:4000, everything stored in ./data
  layerd serve --port 8080 --data /srv/layers
  layerd serve --memory                   a throw-away store
  layerd serve --help                     every setting
  layerd gc --dry-run                     what garbage collection would remove, and why
  layerd why sha256:4355a46b…             what needs a layer or a manifest
  layerd scrub                            read everything that is stored, and compare it with its digest
  layerd check                            hold the index against what is stored
  layerd migrate status                   the schema of the database that holds the index
  layerd migrate-store --from data --to new.json   copy the whole store into another one
  layerd config                           the settings in force, and where each came from
`;

function explain(error: unknown, program: Command): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof CommanderError) return explainMisuse(error, program);
  return explainFailure(error);
}

/** Commander's own message, with the nearest name that would have been right. */
function explainMisuse(error: CommanderError, program: Command): string {
  const message = error.message.replace(/^error: /, "").replace(/\.$/, "");
  const name = /^unknown (?:option|command) '([^'=]+)/.exec(message)?.[1];
  if (name === undefined) return message;
  return `${message}; ${suggest(name, program)}`;
}

function suggest(name: string, program: Command): string {
  if (!name.startsWith("-")) {
    return didYouMean(
      name,
      program.commands.map((command) => command.name()),
    );
  }
  const given = program.commands.find((command) => command.name() === program.args[0]);
  const owner = program.commands.find((command) => optionsOf(command).includes(name));
  if (given === undefined && owner !== undefined) return `did you mean layerd ${owner.name()} ${name}?`;
  return didYouMean(name, optionsOf(given ?? program));
}

function optionsOf(command: Command): string[] {
  return [...command.options.flatMap(({ long }) => long ?? []), "--help"];
}
