import { join } from "node:path";
import { startRegistry } from "../contenders/cncf-registry.ts";
import { startLayerd } from "../contenders/layerd.ts";
import type { Store } from "../contenders/store.ts";
import { alternate, type Bench, type Entrant, GIB, type Scenario, secondsOf } from "../toolkit/bench.ts";
import { sendAll } from "../toolkit/http-client.ts";
import { type ManifestSource, postsToLayerd, putsToRegistry } from "../toolkit/manifests.ts";
import { seed } from "../toolkit/seed.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { formatNumber } from "../toolkit/table.ts";

const CONNECTIONS = 16;
const FEW = 100;
const WARM_UP = 200;
// A post may cost 20 % more among many.
const AMONG_MANY = { of: "ratio", atLeast: 1 / 1.2 } as const;

export const manifestPost: Scenario = {
  name: "manifest-post",
  title: "Manifest posts",
  method:
    `${CONNECTIONS} connections that are kept alive post manifests that are new to the server, in batches, to one ` +
    "repository: `POST /manifest` to layerd, which makes and stores a config and a manifest; `PUT " +
    "/v2/…/manifests/{digest}` of a manifest made beforehand to the registry.",
  needs: [],
  peers: ["registry"],
  space: { disk: 3 * GIB },
  run,
};

async function run(bench: Bench): Promise<Comparison[]> {
  const many = bench.quick ? 5_000 : 100_000;
  await using servers = new AsyncDisposableStack();
  const entrants = [
    await seededLayerd(bench, servers, FEW),
    await seededLayerd(bench, servers, many),
    await seededRegistry(bench, servers),
  ].filter((entrant) => entrant !== undefined);
  const figures = await alternate(bench, { what: "manifest posts", unit: "posts/s" }, entrants);
  const layerd = figures.get(nameOf(FEW)) ?? [];
  const registry = figures.get("registry");
  const about = (count: number) => ({ what: `into a repository of ${formatNumber(count)}`, unit: "posts/s" });
  return [
    { ...about(FEW), layerd, ...(registry && { peer: { name: "registry", values: registry } }) },
    {
      ...about(many),
      layerd: figures.get(nameOf(many)) ?? [],
      peer: { name: nameOf(FEW), values: layerd },
      target: AMONG_MANY,
    },
  ];
}

async function seededLayerd(
  bench: Bench,
  servers: AsyncDisposableStack,
  manifests: number,
): Promise<Entrant> {
  const data = join(bench.disk, `layerd-${manifests}`);
  const layer = await seed(data, { repositories: ["library"], manifests, signal: bench.signal });
  const store = servers.use(await startLayerd(bench, data));
  return await entrant(bench, nameOf(manifests), store, postsToLayerd(store, layer, manifests));
}

async function seededRegistry(bench: Bench, servers: AsyncDisposableStack): Promise<Entrant | undefined> {
  const store = servers.use(await startRegistry(bench, join(bench.disk, "registry")));
  return store && (await entrant(bench, store.name, store, await putsToRegistry(store)));
}

async function entrant(bench: Bench, name: string, store: Store, source: ManifestSource): Promise<Entrant> {
  const posts = bench.quick ? 200 : 1000;
  await sendAll(source(WARM_UP), CONNECTIONS);
  return {
    name,
    server: store,
    measure: async () => {
      const batch = source(posts);
      return posts / (await secondsOf(() => sendAll(batch, CONNECTIONS)));
    },
  };
}

function nameOf(manifests: number): string {
  return `layerd, ${formatNumber(manifests)} manifests`;
}
