import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecutionContext } from "ava";
import Koa from "koa";
import { pino } from "pino";
import { allowEverything } from "../../src/auth/policy.ts";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import { createLocalCluster } from "../../src/cluster/local.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import { compileRules } from "../../src/core/rules.ts";
import { createMiddleware } from "../../src/http/app.ts";
import { Links } from "../../src/http/links.ts";
import { RequestCounts } from "../../src/http/request-counts.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import type { Index, TagEntry } from "../../src/index/port.ts";
import { createRegistry } from "../../src/registry/registry.ts";

const FAULTS = {
  /** Every third look at a tag tells where it was before it was moved last. */
  "stale read": (index: Index) => {
    const tag = index.tag.bind(index);
    const seen = new Map<string, (TagEntry | undefined)[]>();
    let looks = 0;
    index.tag = async (repository, name) => {
      const key = `${repository}:${name}`;
      const entry = await tag(repository, name);
      const [last, previous] = seen.get(key) ?? [];
      const moved = entry?.digest !== last?.digest;
      seen.set(key, moved ? [entry, last] : [last, previous]);
      looks += 1;
      return looks % 3 === 0 ? (moved ? last : previous) : entry;
    };
  },
  /** What must hold of a tag is looked at, and then forgotten. */
  "lost update": (index: Index) => {
    const apply = index.apply.bind(index);
    index.apply = (repository, { requires = [], ...rest }) =>
      apply(repository, {
        ...rest,
        requires: requires.filter(({ type }) => !/^tag(?:At|Among|Present)$/.test(type)),
      });
  },
} as const;

/** A server over an index that is not what it should be. */
export async function serveFaulty(t: ExecutionContext, fault: keyof typeof FAULTS): Promise<string> {
  const index = createMemoryIndex();
  FAULTS[fault](index);
  const log = pino({ level: "silent" });
  const registry = createRegistry(
    { blobs: createMemoryBlobs({ limit: 1e8 }), index, cluster: createLocalCluster() },
    {
      rules: compileRules([], { maxBlobSize: 1e6, maxManifestSize: 1e6, sparse: false }),
      uploadTtl: 60_000,
      unpack: { maxSize: 1e6, timeout: 1000 },
      gc: { interval: undefined, grace: 60_000, trashTtl: 60_000 },
      scrub: { background: undefined },
      onError: (error) => t.log(error),
    },
  );
  const app = new Koa().use(
    createMiddleware({
      service: {
        registry,
        links: new Links({ trustProxy: false }),
        everybodyReads: true,
        cacheScope: "public",
        jsonLimit: 1e6,
      },
      observe: {
        authorize: allowEverything,
        identify: () => undefined,
        repository: parseRepositoryName("library"),
        log,
        logRequest: () => undefined,
        counts: new RequestCounts(),
        trustProxy: false,
      },
      guard: { allowedHosts: [], allowedOrigins: [], trustProxy: false },
      limits: { requests: 0, uploads: 0, bytes: 0, trustProxy: false },
      probe: async () => undefined,
      passUnknown: false,
    }),
  );
  const server = createServer(app.callback()).listen(0, "127.0.0.1");
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await registry.close();
  });
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
