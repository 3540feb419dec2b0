import { type Command, Option } from "commander";
import { ALL_SETTINGS, flagUsage, type NamedSetting, type SettingKey } from "../config.ts";

/** What says where a store is, and how it is written to. */
export const STORE_KEYS = [
  ...(["data", "memory", "index", "blobs", "s3Endpoint", "s3Region", "s3PathStyle"] as const),
  ...(["auditLog", "durability"] as const),
];

/** Adds the flags of settings (default: of all) and `--config` to a command. */
export function addSettings(command: Command, keys?: readonly SettingKey[]): Command {
  const settings = ALL_SETTINGS.filter(({ key }) => keys === undefined || keys.includes(key));
  for (const option of settings.flatMap(optionsOf)) command.addOption(option);
  return command
    .option("--config <file>", "JSON file of settings; flags and variables win over it. [LAYERD_CONFIG]")
    .helpOption("-h, --help", "Show this help.");
}

/** What commander has parsed, under the settings' own keys. */
export function flagsOf(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const renamed = ALL_SETTINGS.map((setting) => [setting.key, options[attributeOf(setting)]] as const);
  return { ...Object.fromEntries(renamed), config: options.config };
}

function optionsOf(setting: NamedSetting): Option[] {
  const shown = setting.show(setting.default);
  const fallback = shown === "" || shown === "false" ? "" : `, default ${shown}`;
  const option = new Option(flagUsage(setting), `${setting.help} [${setting.variable}${fallback}]`);
  if (Array.isArray(setting.default)) option.argParser(join);
  // Turns off what a variable or a file has turned on.
  const negated = new Option(setting.flag.replace(/^--/, "--no-")).hideHelp();
  const options = typeof setting.default === "boolean" ? [option, negated] : [option];
  return options.map((each) => each.helpGroup(`${setting.group}:`));
}

function join(value: string, previous: string | undefined): string {
  return previous === undefined ? value : `${previous},${value}`;
}

function attributeOf(setting: NamedSetting): string {
  return new Option(setting.flag).attributeName();
}
