import test from "ava";
import { parseReport } from "../../bench/toolkit/wrk.ts";

const REPORT = `Running 1s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Latency Distribution
     50%    1.20ms
     99%    2.50ms
  20000 requests in 1.10s, 24.00MB read
Requests/sec:  18181.82
Transfer/sec:     21.82MB
`;

test("the rate and the bytes a request are read from wrk's report", (t) => {
  t.deepEqual(parseReport(REPORT), {
    requestsPerSecond: 18181.82,
    p99: 2.5,
    bytesPerRequest: (24 * 1024 * 1024) / 20000,
  });
});

test("a run with answers that are errors is no measurement", (t) => {
  t.throws(() => parseReport(`${REPORT}  Non-2xx or 3xx responses: 3\n`), { message: /Non-2xx/ });
});

test("a run with broken connections is no measurement", (t) => {
  t.throws(() => parseReport(`${REPORT}  Socket errors: connect 0, read 2, write 0, timeout 0\n`), {
    message: /read 2/,
  });
});
