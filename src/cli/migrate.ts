import { Command } from "commander";
import { ConfigError, FILES, loadConfig } from "../config.ts";
import { formatTime } from "../core/time.ts";
import type { Schema, Step } from "../postgres/schema.ts";
import { addSettings, flagsOf } from "./options.ts";

export function migrateCommand(): Command {
  const command = new Command("migrate")
    .description("Show or change the schema of the PostgreSQL database that holds the index.")
    .addHelpText("after", MORE)
    .enablePositionalOptions();
  command.addCommand(statusCommand());
  command.addCommand(upCommand());
  command.addCommand(downCommand());
  return command;
}

const KEYS = ["index"] as const;

const MORE = `
docs/database.md says which steps can be taken while servers run. An empty database needs none of this: the
first server makes its schema.

Examples:
  layerd migrate status --index postgres://layerd@db.example.com/layerd
  layerd migrate up --to 0001-index
  LAYERD_INDEX=postgres://layerd@db.example.com/layerd layerd migrate up
`;

function statusCommand(): Command {
  const command = new Command("status")
    .description("List the steps of the schema's history, and which of them have been taken.")
    .option("--json", "One JSON object a line.")
    .action(async (options) => {
      const steps = await onSchema(options, (schema) => schema.status());
      for (const step of steps) say(options.json === true ? JSON.stringify(asJson(step)) : describe(step));
    });
  return addSettings(command, KEYS);
}

function upCommand(): Command {
  const command = new Command("up")
    .description("Take the steps that have not been taken.")
    .option("--to <step>", "The last one to take. Default: all.")
    .action(async (options) => {
      const taken = await onSchema(options, (schema) => schema.up(options.to));
      for (const name of taken) say(`${name}  taken`);
      if (taken.length === 0) say("there is nothing to do");
    });
  return addSettings(command, KEYS);
}

function downCommand(): Command {
  const command = new Command("down")
    .description("Take the last step back, with all that only it can hold.")
    .action(async (options) => {
      const taken = await onSchema(options, (schema) => schema.down());
      for (const name of taken) say(`${name}  taken back`);
      if (taken.length === 0) say("there is nothing to take back");
    });
  return addSettings(command, KEYS);
}

async function onSchema<T>(
  options: Record<string, unknown>,
  work: (schema: Schema) => Promise<T>,
): Promise<T> {
  const { index } = loadConfig(flagsOf(options)).config;
  if (index === FILES) {
    throw new ConfigError("the index is in files, which have no schema; --index names a database");
  }
  const { withSchema } = await import("../postgres/start.ts");
  return await withSchema(index, work);
}

function describe({ name, at }: Step): string {
  return `${name}  ${at === undefined ? "not taken" : `taken ${formatTime(at.toISOString())}`}`;
}

function asJson({ name, at }: Step): object {
  return { step: name, takenAt: at?.toISOString() ?? null };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
