import { formatNumber } from "../toolkit/table.ts";
import type { EngineName } from "./engines.ts";
import type { Counts, ProcessorTime } from "./measure.ts";
import type { UpkeepCost } from "./upkeep.ts";

/** One kind of request on one engine. */
export interface Row {
  readonly name: string;
  readonly counts: Counts;
  /** One for each round; none when it was not measured. */
  readonly times: readonly ProcessorTime[];
}

export interface EngineReport {
  readonly engine: EngineName;
  readonly rows: readonly Row[];
  readonly upkeep: readonly UpkeepCost[];
}

const TITLES: Readonly<Record<EngineName, string>> = {
  files: "Files and journal",
  postgres: "Files and PostgreSQL",
  s3: "S3 and PostgreSQL",
};

interface Column {
  readonly heading: string;
  readonly cell: (row: Row) => string;
  /** Absent: on every engine. */
  readonly on?: readonly EngineName[];
}

const COLUMNS: readonly Column[] = [
  { heading: "Request", cell: ({ name }) => name },
  ...[
    { heading: "Statements", cell: ({ counts }: Row) => String(counts.postgres?.statements.length) },
    { heading: "Round trips", cell: ({ counts }: Row) => String(counts.postgres?.roundTrips) },
    { heading: "Commits", cell: ({ counts }: Row) => String(counts.postgres?.commits) },
    { heading: "WAL, bytes", cell: ({ counts }: Row) => formatNumber(counts.wal ?? 0) },
    {
      heading: "Database, bytes",
      cell: ({ counts: { postgres } }: Row) =>
        formatNumber((postgres?.sent ?? 0) + (postgres?.received ?? 0)),
    },
  ].map((column) => ({ ...column, on: ["postgres", "s3"] as const })),
  { heading: "S3", cell: ({ counts }) => requests(counts.s3?.requests ?? []), on: ["s3"] },
  {
    heading: "Syncs",
    cell: ({ counts: { calls } }) => String((calls?.fsync ?? 0) + (calls?.fdatasync ?? 0)),
    on: ["files", "postgres"],
  },
  { heading: "Renames", cell: ({ counts }) => String(counts.calls?.rename), on: ["files", "postgres"] },
  { heading: "Client, bytes in", cell: ({ counts }) => formatNumber(counts.sent) },
  { heading: "Client, bytes out", cell: ({ counts }) => formatNumber(counts.received) },
  { heading: "layerd, ms", cell: ({ times }) => spread(times.map(({ server }) => server)) },
  {
    heading: "PostgreSQL, ms",
    cell: ({ times }) => spread(times.map(({ postgres = 0 }) => postgres)),
    on: ["postgres", "s3"],
  },
];

/** A section for each engine. */
export function markdownOf(reports: readonly EngineReport[]): string {
  return `${reports.map(section).join("\n\n")}\n`;
}

function section({ engine, rows, upkeep }: EngineReport): string {
  const columns = COLUMNS.filter(({ on }) => on === undefined || on.includes(engine));
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)));
  const requestsTable = table([columns.map(({ heading }) => heading), ...cells]);
  const parts = [`### ${TITLES[engine]}`, requestsTable];
  if (upkeep.length > 0) parts.push(table([UPKEEP, ...upkeep.map(upkeepCells)]));
  return parts.join("\n\n");
}

const UPKEEP = ["1,000 more", "Statements", "Round trips", "S3 requests", "layerd, ms"];

function upkeepCells({ what, statements, roundTrips, s3, processorSeconds }: UpkeepCost): string[] {
  return [what, ...[statements, roundTrips, s3, processorSeconds * 1000].map(formatNumber)];
}

function table(rows: readonly (readonly string[])[]): string {
  const [heading = [], ...rest] = rows;
  const widths = heading.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(heading), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}

/** Those of one name together: `2 PutObject, 1 GetObject`. */
function requests(names: readonly string[]): string {
  const groups = [...Map.groupBy(names, (name) => name)];
  return groups.map(([name, all]) => `${all.length} ${name}`).join(", ") || "–";
}

/** From microseconds: the lowest and the highest round. */
function spread(microseconds: readonly number[]): string {
  if (microseconds.length === 0) return "–";
  const [low, high] = [Math.min(...microseconds), Math.max(...microseconds)].map((each) =>
    formatNumber(each / 1000),
  );
  return low === high ? `${low}` : `${low}–${high}`;
}
