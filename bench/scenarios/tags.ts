import http from "node:http";
import { join } from "node:path";
import { REPOSITORY } from "../contenders/cncf-registry.ts";
import { startLayerd } from "../contenders/layerd.ts";
import type { Store } from "../contenders/store.ts";
import {
  alternate,
  type Bench,
  type Entrant,
  GIB,
  inParallel,
  type Scenario,
  secondsOf,
} from "../toolkit/bench.ts";
import { expect, send, sendAll } from "../toolkit/http-client.ts";
import { makeImage, pushConfig, pushOne, putManifest } from "../toolkit/images.ts";
import type { Comparison } from "../toolkit/statistics.ts";
import { formatNumber } from "../toolkit/table.ts";

const AT_ONCE = 16;
const FEW = 100;
const PAGE = 100;

export const tags: Scenario = {
  name: "tags",
  title: "Many tags",
  method:
    `${AT_ONCE} connections set tags that are new to one manifest, in a repository that has few tags and in one that ` +
    `has many; then a page of ${PAGE} tags is read from the middle of the many.`,
  needs: [],
  peers: [],
  space: { disk: GIB },
  run,
};

async function run(bench: Bench): Promise<Comparison[]> {
  const many = bench.quick ? 5_000 : 100_000;
  await using servers = new AsyncDisposableStack();
  const few = await tagged(bench, servers, FEW);
  const lots = await tagged(bench, servers, many);
  const figures = await alternate(bench, { what: "tag pushes", unit: "tags/s" }, [few.entrant, lots.entrant]);
  const among = (count: number) => ({
    what: `tag pushes, among ${formatNumber(count)} tags`,
    unit: "tags/s",
  });
  const [withFew = [], withMany = []] = [figures.get(few.entrant.name), figures.get(lots.entrant.name)];
  const pages = await alternate(bench, { what: `a page of ${PAGE} tags`, unit: "ms" }, [
    page(lots.store, many),
  ]);
  return [
    { ...among(FEW), layerd: withFew },
    {
      ...among(many),
      layerd: withMany,
      peer: { name: few.entrant.name, values: withFew },
      target: { of: "ratio", atLeast: 0.8 },
    },
    {
      what: `a page of ${PAGE} out of ${formatNumber(many)} tags`,
      unit: "ms",
      layerd: pages.get("layerd") ?? [],
      target: { of: "value", atMost: 5 },
    },
  ];
}

async function tagged(bench: Bench, servers: AsyncDisposableStack, count: number) {
  const data = join(bench.disk, `tags-${count}`);
  const store = servers.use(await startLayerd(bench, data));
  const image = makeImage(1024);
  await pushConfig(store.origin, REPOSITORY);
  await pushOne(store.origin, REPOSITORY, image, "first");
  let last = 0;
  const batch = (size: number) =>
    Array.from({ length: size }, () => {
      last += 1;
      return putManifest(store.origin, REPOSITORY, tagOf(last), image.manifest);
    });
  await sendAll(batch(count), AT_ONCE);
  const pushes = bench.quick ? 200 : 1000;
  const measure = async () => {
    const requests = batch(pushes);
    return pushes / (await secondsOf(() => sendAll(requests, AT_ONCE)));
  };
  return { store, entrant: { name: `layerd, ${formatNumber(count)} tags`, server: store, measure } };
}

/** Scattered, as the tags of builds are that are named by their commit. */
function tagOf(n: number): string {
  return `${((n * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, "0")}-${n}`;
}

/** Milliseconds, the mean of many requests over one connection. */
function page(store: Store, many: number): Entrant {
  const requests = 200;
  return {
    name: "layerd",
    measure: async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const at = (n: number) => tagOf(1 + ((n * 7919) % many));
      const url = (n: number) => `${store.origin}/v2/${REPOSITORY}/tags/list?n=${PAGE}&last=${at(n)}`;
      const urls = Array.from({ length: requests }, (_, n) => ({ method: "GET", url: url(n) }));
      const seconds = await secondsOf(() =>
        inParallel(urls, 1, async (request) => expect(200, request, await send(request, agent))),
      );
      agent.destroy();
      return (seconds * 1000) / requests;
    },
  };
}
