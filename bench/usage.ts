import { SCENARIOS } from "./scenarios/all.ts";

/** The text of `--help`. */
export function usage(): string {
  const names = SCENARIOS.map(({ name, title }) => `  ${name.padEnd(16)}${title}`).join("\n");
  return `Measures layerd and its peers side by side and prints ratios.

Usage: node bench/run.ts [options]

  --scenario NAME   only this one; may be given several times (default: all)
  --runs N          runs of each contender, in turn (default: 5; with --quick 1)
  --quick           small sizes, short times: to see that everything works
  --markdown FILE   write the report there, as a markdown document
  --dir DIR         where to work on a disk (default: bench/results)
  --ram DIR         where to work on a RAM disk (default: /dev/shm)
  --layerd FILE     entry file of the layerd to measure (default: dist/cli/main.js, which make bench compiles)
  --nginx FILE      nginx, when it is not on the PATH
  --registry FILE   the CNCF registry, when it is not on the PATH
  --versitygw FILE  versitygw, an S3 server, when it is neither there nor where .ci/setup puts it
  --help            this text

Scenarios:
${names}

Raw figures go to bench/results/<time>.jsonl. A full run takes about 20 minutes and 20 GiB of disk.
`;
}
