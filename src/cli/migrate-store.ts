import { styleText } from "node:util";
import { Command } from "commander";
import type { Moved, MovedRepository, MoveFault, Progress } from "../create.ts";
import { formatCount, formatSize } from "./operations/format.ts";
import { ProgressLine } from "./operations/progress-line.ts";

// Exit code: the target lacks something that the source has.
const LACKING = 1;

export function migrateStoreCommand(): Command {
  return new Command("migrate-store")
    .description("Copy a whole store into another one, with its blobs and its index wherever each is kept.")
    .requiredOption(
      "--from <store>",
      "What is copied: a config file as of `layerd serve`, or a data directory.",
    )
    .requiredOption("--to <store>", "Where to, in the same way; it is made when it is not there.")
    .option("--dry-run", "Say what would be copied, and change nothing.")
    .option(
      "--overwrite-tags",
      "Move tags that the target has at other digests. Default: say so, and leave them.",
    )
    .option("--json", "One JSON object a line: each repository, what could not be copied, what it came to.")
    .helpOption("-h, --help", "Show this help.")
    .addHelpText("after", MORE)
    .action(migrateStore);
}

const MORE = `
A config file says where a store is: {"data": "/srv/layers", "index": "postgres://layerd@db.example.com/layerd"}.
A data directory alone stands for a store with all its files in it. Flags and variables of other commands do not count.

The server of --from goes on meanwhile. No server may run on --to. What is there already is passed over: run it again
after it was broken off, and for what has been pushed since. The exit code is 1 when something could not be copied
(docs/moving.md).

Examples:
  layerd migrate-store --from /srv/layers --to new.json --dry-run
  layerd migrate-store --from /srv/layers --to new.json
  layerd migrate-store --from old.json --to new.json --overwrite-tags --json | jq -c 'select(.fault)'
`;

type Printed = { readonly dryRun: boolean } & (
  | { readonly repository: MovedRepository }
  | { readonly fault: MoveFault }
  | { readonly moved: Moved }
);

async function migrateStore(options: Record<string, unknown>): Promise<void> {
  const { readArrangements } = await import("./operations/arrangement.ts");
  const { from, to } = readArrangements(String(options.from), String(options.to));
  const { withClosedStore, withSource } = await import("./operations/reach.ts");
  const dryRun = options.dryRun === true;
  const line = new ProgressLine();
  const print = (printed: Printed) => {
    line.clear();
    process.stdout.write(options.json === true ? asJson(printed) : describe(printed));
  };
  const moved = await withClosedStore(to, "no server may run on the store that is copied to", ({ mover }) =>
    withSource(from, (source) =>
      mover.copy(source, {
        dryRun,
        overwriteTags: options.overwriteTags === true,
        report: (repository) => print({ repository, dryRun }),
        fault: (fault) => print({ fault, dryRun }),
        progress: line.shown && !dryRun ? timed(line) : undefined,
      }),
    ),
  ).finally(() => line.clear());
  print({ moved, dryRun });
  if (moved.faults > 0) process.exitCode = LACKING;
}

/** Shows also how long the rest is going to take if it goes on as it has gone so far. */
function timed(line: ProgressLine): (progress: Progress) => void {
  const begun = performance.now();
  return (progress) => {
    const { done, total } = progress;
    const left = ((performance.now() - begun) / done) * Math.max(0, total - done);
    line.show(progress, Number.isFinite(left) ? left : undefined);
  };
}

function asJson(printed: Printed): string {
  const { dryRun: _dryRun, ...rest } = printed;
  return `${JSON.stringify(rest)}\n`;
}

const dim = (text: string) => styleText("dim", text, { stream: process.stdout });

function describe(printed: Printed): string {
  if ("fault" in printed) return describeFault(printed.fault);
  if ("moved" in printed) return describeSum(printed.moved, printed.dryRun);
  const { repository, created, ...counts } = printed.repository;
  const nothing = counts.blobs + counts.manifests + counts.tags === 0;
  if (nothing && !created) return "";
  return `${repository}  ${describeCounts(counts, printed.dryRun)}\n`;
}

function describeFault(fault: MoveFault): string {
  const { repository, why } = fault;
  switch (fault.what) {
    case "damaged":
    case "unreadable":
    case "missing":
      return `${repository}  ${fault.digest}\n  this ${fault.as} was not copied\n  ${dim(why)}\n`;
    case "tag-conflict":
      return `${repository}  ${fault.tag}  ${fault.digest}\n  this tag was not copied\n  ${dim(`${why}: ${fault.is}`)}\n`;
    case "tag-dangling":
      return `${repository}  ${fault.tag}  ${fault.digest}\n  this tag was not copied\n  ${dim(why)}\n`;
    case "index-damaged":
      return `${repository}\n  the rest was copied\n  ${dim(`${why}: \`layerd check\` says more`)}\n`;
    default:
      return fault satisfies never;
  }
}

type Counted = Pick<Moved, "blobs" | "manifests" | "tags" | "bytes">;

function describeCounts({ blobs, manifests, tags, bytes }: Counted, dryRun: boolean): string {
  const entries = [formatCount(blobs, "blob"), formatCount(manifests, "manifest"), formatCount(tags, "tag")];
  return `${entries.join(", ")}; ${formatSize(bytes)} ${dryRun ? "would be copied" : "copied"}`;
}

function describeSum(moved: Moved, dryRun: boolean): string {
  const made = formatCount(moved.repositories, "new repository", "new repositories");
  return `${made}, ${describeCounts(moved, dryRun)}\n${dryRun ? "" : `${conclude(moved)}\n`}`;
}

function conclude({ sourceChanged, faults }: Moved): string {
  const but = faults === 0 ? "" : `, but for the ${formatCount(faults, "thing")} listed above`;
  return sourceChanged === true
    ? `The source was changed while this ran: run it again for what is new${but}.`
    : `The source was not changed while this ran: the target has all that it has${but}.`;
}
