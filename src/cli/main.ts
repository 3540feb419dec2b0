#!/usr/bin/env node
// Any Node from 12 on must be able to parse this file, so that an old one gets a sentence instead of a
// stack trace. Everything else is imported only afterwards.
const running = process.versions.node;
if (Number(running.split(".")[0]) < 24) {
  process.stderr.write(
    "layerd needs Node.js 24 or newer, and this is " +
      running +
      ": install a newer one from https://nodejs.org/ or with your package manager.\n",
  );
  process.exitCode = 1;
} else {
  // Syncs, reads and decompression share libuv's threads, four unless told: reads would wait behind syncs.
  // The pool takes its size from the environment when it is first used.
  process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || "16";
  import("./run.ts").then(({ run }) => run(process.argv));
}
