import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findTool } from "../test/tools/tools.ts";
import type { ToolName } from "./toolkit/tools.ts";

export interface Options {
  /** Names; empty for all. */
  readonly scenarios: readonly string[];
  readonly runs: number;
  readonly quick: boolean;
  /** File for the tables. */
  readonly markdown: string | undefined;
  /** Where the work on a disk happens. */
  readonly dir: string;
  /** Where the work on a RAM disk happens. */
  readonly ram: string;
  readonly layerd: string;
  /** Commands to try, in order. */
  readonly tools: Readonly<Record<ToolName, readonly string[]>>;
  readonly help: boolean;
}

/** Where raw logs are kept, and by default the work is done. */
export const RESULTS = here("./results");

const RUNS = 5;
const RUNS_MAX = 100;

/** @throws an Error with one sentence for a wrong option. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: "string", multiple: true, default: [] },
      runs: { type: "string" },
      quick: { type: "boolean", default: false },
      markdown: { type: "string" },
      dir: { type: "string", default: RESULTS },
      ram: { type: "string", default: "/dev/shm" },
      layerd: { type: "string", default: here("../dist/cli/main.js") },
      nginx: { type: "string" },
      registry: { type: "string" },
      versitygw: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  return {
    ...values,
    scenarios: values.scenario.flatMap((names) => names.split(",")),
    runs: parseRuns(values.runs ?? String(values.quick ? 1 : RUNS)),
    markdown: values.markdown,
    dir: resolve(values.dir),
    ram: resolve(values.ram),
    layerd: resolve(values.layerd),
    tools: {
      curl: ["curl"],
      wrk: ["wrk"],
      // Debian keeps it where only root looks.
      nginx: values.nginx === undefined ? ["nginx", "/usr/sbin/nginx"] : [values.nginx],
      registry: [values.registry ?? "registry"],
      // Tests need it too, and .ci/setup puts it where they look.
      versitygw: [values.versitygw ?? findTool("versitygw") ?? "versitygw"],
    },
  };
}

function parseRuns(text: string): number {
  const runs = Number(text);
  if (Number.isInteger(runs) && runs >= 1 && runs <= RUNS_MAX) return runs;
  throw new Error(`--runs takes a number from 1 to ${RUNS_MAX}, not ${JSON.stringify(text)}`);
}

function here(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
