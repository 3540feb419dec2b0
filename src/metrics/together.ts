import { type Aggregator, AggregatorRegistry, type Registry } from "prom-client";
import { LATEST, OF_LATEST } from "./collections.ts";
import { plain, type Sample, type Samples } from "./samples.ts";

/**
 * What processes that share a store have counted, put together: counters are added up. A process that has ended leaves
 * what it had counted, for Prometheus takes a sum that becomes smaller for one that has begun anew, and counts all of
 * it once more.
 */
export class Together {
  readonly #reports = new Map<number, Samples>();
  #left: Samples = [];

  /** What a process, known by a number, has counted by now. */
  report(member: number, samples: Samples): void {
    this.#reports.set(member, samples.map(acrossProcesses));
  }

  /** The process has ended. */
  retire(member: number): void {
    const last = this.#reports.get(member) ?? [];
    this.#reports.delete(member);
    this.#left = samplesOf(merge([this.#left, last.filter(isLasting)]));
  }

  /** As Prometheus reads it. */
  async text(): Promise<string> {
    return await merge([...this.#reports.values(), this.#left]).metrics();
  }
}

function merge(members: readonly Samples[]): Registry {
  const newest = newestOf(members);
  const known = members.map((samples) =>
    samples === newest ? samples : samples.map((sample) => (isOfLatest(sample) ? without(sample) : sample)),
  );
  // Its types want what a registry of one process hands out; plain values are what it was made for.
  return AggregatorRegistry.aggregate(known as never);
}

/** Of one that `merge` has made, whose metrics are their own values. */
function samplesOf(registry: Registry): Samples {
  return (registry.getMetricsAsArray() as unknown as Samples).map(plain);
}

/** The one that knows of the latest collection. What others have is older. */
function newestOf(members: readonly Samples[]): Samples | undefined {
  const dated = members.map((samples) => ({ samples, at: readingOf(samples, LATEST) }));
  return dated.reduce((a, b) => (b.at > a.at ? b : a), { samples: members[0] ?? [], at: 0 }).samples;
}

function readingOf(samples: Samples, name: string): number {
  return samples.find((sample) => sample.name === name)?.values[0]?.value ?? 0;
}

/** What is true when the process that says so has ended. */
function isLasting({ name, type }: Sample): boolean {
  const kind = String(type);
  return kind === "counter" || kind === "histogram" || OF_LATEST.includes(name) || name === SCRUBBED;
}

const SCRUBBED = "layerd_scrub_last_success_timestamp_seconds";

function isOfLatest({ name }: Sample): boolean {
  return OF_LATEST.includes(name);
}

function without(sample: Sample): Sample {
  return { ...sample, values: [] };
}

/**
 * prom-client takes the mean of most lags of event loops, which hides the one process that is late, and leaves out
 * when a process started: the eldest is the one that was started.
 */
function acrossProcesses(sample: Sample): Sample {
  const aggregator = OWN_WAYS.find(([names]) => names.test(sample.name))?.[1] ?? sample.aggregator;
  // A lag of which nothing is known yet is no number, and neither is anything that it is compared with.
  const values = sample.values.filter(({ value }) => !Number.isNaN(value));
  return { ...sample, aggregator, values };
}

const OWN_WAYS: readonly (readonly [RegExp, Aggregator])[] = [
  [/^nodejs_eventloop_lag_min/, "min"],
  [/^nodejs_eventloop_lag_/, "max"],
  [/^process_start_time/, "min"],
];
