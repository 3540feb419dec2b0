import { Command } from "commander";
import { configAsJson, describeConfig, loadConfig } from "../config.ts";
import { addSettings, flagsOf } from "./options.ts";

export function configCommand(): Command {
  const command = new Command("config")
    .description(
      "Show every setting in force and where it came from: a flag, a variable, the file or a default.",
    )
    .option("--json", "As JSON: sizes in bytes, durations in milliseconds.")
    .action((options) => {
      const resolved = loadConfig(flagsOf(options));
      const json = () => `${JSON.stringify(configAsJson(resolved), undefined, 2)}\n`;
      process.stdout.write(options.json === true ? json() : describeConfig(resolved));
    });
  return addSettings(command);
}
