import {
  Histogram,
  type HistogramConfiguration,
  type MetricObjectWithValues,
  type MetricValueWithName,
} from "prom-client";

/** What has been observed of one set of labels. */
export interface Observed {
  readonly labels: Readonly<Record<string, string>>;
  /** How many in each bucket alone; the last one is for what is above all bounds. */
  readonly counts: ArrayLike<number>;
  readonly sum: number;
}

type Values = MetricObjectWithValues<MetricValueWithName<string>>;

/** A histogram whose counts stand elsewhere: prom-client's own takes as long for one request as all that is counted of it here. */
export class Durations extends Histogram {
  readonly #about: { readonly name: string; readonly help: string };
  readonly #bounds: readonly number[];
  readonly #read: () => Iterable<Observed>;

  constructor(
    configuration: HistogramConfiguration<string> & { readonly buckets: number[] },
    read: () => Iterable<Observed>,
  ) {
    super(configuration);
    this.#about = { name: configuration.name, help: configuration.help };
    this.#bounds = configuration.buckets;
    this.#read = read;
  }

  override async get(): Promise<Values> {
    const values = [...this.#read()].flatMap((observed) => this.#valuesOf(observed));
    // prom-client's types have an enum here, its code the name.
    const type = "histogram" as never;
    return { ...this.#about, type, aggregator: "sum", collect: () => undefined, values };
  }

  /** What a registry asks for. */
  getForPromString(): Promise<Values> {
    return this.get();
  }

  #valuesOf({ labels, counts, sum }: Observed) {
    const { name } = this.#about;
    let count = 0;
    const buckets = [...this.#bounds, "+Inf"].map((le, place) => {
      count += counts[place] ?? 0;
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
