import type { Options } from "./options.ts";
import type { Scenario } from "./toolkit/bench.ts";
import type { Comparison } from "./toolkit/statistics.ts";
import { markdownTable } from "./toolkit/table.ts";

export interface ScenarioResult {
  readonly scenario: Scenario;
  readonly comparisons: readonly Comparison[];
  /** Why there is nothing to compare, or not everything: whole sentences. */
  readonly remarks: readonly string[];
  readonly failed: boolean;
}

export interface RunFacts {
  readonly date: Date;
  readonly options: Options;
  readonly machine: readonly string[];
  /** Name → version. */
  readonly versions: Readonly<Record<string, string>>;
  /** Name → text. */
  readonly configurations: ReadonlyMap<string, string>;
}

/** The whole report as a markdown document. */
export function markdownReport(facts: RunFacts, results: readonly ScenarioResult[]): string {
  return `${[heading(facts), ...results.map(section), configurations(facts)].join("\n\n")}\n`;
}

/** One scenario: what was measured, the table, what is missing. */
export function section({ scenario, comparisons, remarks }: ScenarioResult): string {
  const parts = [`## ${scenario.title}`, scenario.method];
  if (comparisons.length > 0) parts.push(markdownTable(comparisons));
  return [...parts, ...remarks].join("\n\n");
}

function heading({ date, options, machine, versions }: RunFacts): string {
  const { runs, quick, scenarios } = options;
  const command = ["node bench/run.ts", ...scenarios.map((name) => `--scenario ${name}`)];
  if (quick) command.push("--quick");
  const facts = [...machine, ...Object.entries(versions).map(([name, version]) => `${name}: ${version}`)];
  return [
    "# Performance",
    `Measured on ${date.toISOString().slice(0, 10)} by \`${command.join(" ")}\`: ${runs === 1 ? "one run" : `${runs} runs`} of every contender in ` +
      "turn, side by side. A figure is the median, with the lowest and the highest run in brackets. Look at the " +
      "ratios: absolute figures move with the machine.",
    ...(quick ? ["**A quick run: sizes are small, and the verdicts mean little.**"] : []),
    facts.map((fact) => `- ${fact}`).join("\n"),
  ].join("\n\n");
}

function configurations({ configurations }: RunFacts): string {
  const each = [...configurations].map(([name, text]) => `### ${name}\n\n\`\`\`\n${text.trim()}\n\`\`\``);
  return ["## Configurations", ...each].join("\n\n");
}
