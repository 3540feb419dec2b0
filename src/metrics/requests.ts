import { DURATIONS } from "../http/request-counts.ts";
import type { Reporter } from "./reporter.ts";
import type { Sources } from "./sources.ts";

/** What clients do. */
export function reportRequests(to: Reporter, { requests, traffic }: Sources): void {
  const bySeries = ["method", "route"];
  to.counter(
    "layerd_http_requests_total",
    "Requests that have ended.",
    () =>
      requests.series.flatMap(({ method, route, byStatus }) =>
        [...byStatus].map(([status, count]) => [{ method, route, status: String(status) }, count] as const),
      ),
    [...bySeries, "status"],
  );
  to.histogram(
    "layerd_http_request_duration_seconds",
    "Time from the headers of a request to the last byte of its answer.",
    () =>
      requests.series.map(({ method, route, byDuration, seconds }) => ({
        labels: { method, route },
        counts: byDuration,
        sum: seconds,
      })),
    { bounds: DURATIONS, labelNames: bySeries },
  );
  to.counter(
    "layerd_http_response_body_bytes_total",
    "Bytes of blobs, manifests and other bodies sent.",
    () => requests.series.map(({ method, route, bytes }) => [{ method, route }, bytes] as const),
    bySeries,
  );
  to.counter(
    "layerd_http_requests_aborted_total",
    "Requests whose client went away, or was cut off, before the end of the answer.",
    () => requests.aborted,
  );
  to.gauge("layerd_http_requests_in_flight", "Requests being answered.", () => requests.inFlight);
  to.gauge("layerd_network_connections", "Open connections.", () => traffic.connections);
  to.counter(
    "layerd_network_received_bytes_total",
    "Bytes received on connections, with headers and TLS.",
    () => traffic.received,
  );
  to.counter(
    "layerd_network_sent_bytes_total",
    "Bytes sent on connections, with headers and TLS.",
    () => traffic.sent,
  );
}
