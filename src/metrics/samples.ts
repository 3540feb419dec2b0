import type { MetricObjectWithValues, MetricValue, Registry } from "prom-client";

/** One metric with what it says now, as plain values that another process can be sent. */
export type Sample = Omit<MetricObjectWithValues<MetricValue<string>>, "collect">;
export type Samples = readonly Sample[];

/** What has been counted, read when somebody asks. */
export interface Metrics {
  /** As Prometheus reads it. */
  text(): Promise<string>;
  /** To be put together with those of other processes (`Together`). */
  samples(): Promise<Samples>;
}

export function metricsOf(registry: Registry): Metrics {
  return {
    text: () => registry.metrics(),
    samples: async () => (await registry.getMetricsAsJSON()).map(plain),
  };
}

/** Without what cannot be sent. */
export function plain({ name, help, type, aggregator, values }: Sample): Sample {
  return { name, help, type, aggregator, values };
}
