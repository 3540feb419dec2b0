import type { Resolved } from "./resolve.ts";
import { ALL_SETTINGS, type NamedSetting } from "./settings.ts";

/**
 * Every setting with the value in force, in the words in which one would write it, and where it came from. A value
 * of several lines goes on below.
 */
export function describeConfig({ config, origins }: Resolved): string {
  const shown = ALL_SETTINGS.map(({ key, show }) => {
    const [value = "", ...below] = show(config[key]).split("\n");
    const { kind, name } = origins[key];
    return { cells: [key, value, kind === "default" ? kind : name], below };
  });
  const rows = align(shown.map(({ cells }) => cells)).map((cells) => cells.join("  ").trimEnd());
  return rows
    .flatMap((row, index) => [row, ...(shown[index]?.below ?? []).map((line) => `  ${line}`)])
    .map((line) => `${line}\n`)
    .join("");
}

/** The same as plain values: sizes in bytes, durations in milliseconds. */
export function configAsJson({ config, origins }: Resolved): object {
  const entries = ALL_SETTINGS.map(({ key, secret, show }) => {
    const value = secret === true ? show(config[key]) : config[key];
    return [key, { value, from: origins[key] }];
  });
  return Object.fromEntries(entries);
}

/** The settings as the README shows them: a table in Markdown, one line a setting. */
export function settingsTable(): string {
  const rows = ALL_SETTINGS.map((setting) => {
    const { key, variable, help } = setting;
    return [code(key), code(flagUsage(setting)), code(variable), code(setting.show(setting.default)), help];
  });
  const [header = [], ...lines] = align([["setting", "flag", "variable", "default", "meaning"], ...rows]);
  const rule = header.map((cell) => "-".repeat(cell.length));
  return [header, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** Pads cells, so that columns stand below each other. */
function align(rows: readonly (readonly string[])[]): string[][] {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(width(column))));
}

/** `--port <number>` */
export function flagUsage({ flag, placeholder }: NamedSetting): string {
  return placeholder === "" ? flag : `${flag} <${placeholder}>`;
}

function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}
