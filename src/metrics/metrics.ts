import { collectDefaultMetrics, Registry } from "prom-client";
import { reportCollections } from "./collections.ts";
import { Reporter } from "./reporter.ts";
import { reportRequests } from "./requests.ts";
import { type Metrics, metricsOf } from "./samples.ts";
import { reportScrubs } from "./scrubs.ts";
import type { Sources } from "./sources.ts";
import { reportAuditLost, reportStore } from "./store.ts";

export type { Sources } from "./sources.ts";

/** What `/metrics` is sent as: the text format of Prometheus. */
export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** What has been counted, as Prometheus reads it. Everything is read when somebody asks: until then it costs nothing. */
export function createMetrics(sources: Sources): Metrics {
  const registry = new Registry();
  const reporter = new Reporter(registry, sources.onUnread);
  reporter.gauge("layerd_build_info", "1, with the version.", () => [[{ version: sources.version }, 1]], {
    labelNames: ["version"],
    across: "first",
  });
  reportRequests(reporter, sources);
  reportStore(reporter, sources);
  reportCollections(reporter, sources.collections);
  reportScrubs(reporter, sources);
  return metricsOf(registry);
}

/** Of the process itself: processor time, memory, open files, its event loop. */
export function createProcessMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return metricsOf(registry);
}

/** Of an audit log that a process writes for others. */
export function createAuditMetrics(lost: () => number): Metrics {
  const registry = new Registry();
  reportAuditLost(new Reporter(registry), lost);
  return metricsOf(registry);
}
