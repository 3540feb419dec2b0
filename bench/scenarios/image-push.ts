import { join } from "node:path";
import { REPOSITORY, startRegistry } from "../contenders/cncf-registry.ts";
import { startLayerd } from "../contenders/layerd.ts";
import type { Store } from "../contenders/store.ts";
import {
  alternate,
  type Bench,
  compare,
  type Entrant,
  GIB,
  inParallel,
  KIB,
  type Scenario,
  secondsOf,
} from "../toolkit/bench.ts";
import { makeImage, pushConfig, pushImage } from "../toolkit/images.ts";
import { RawConnection } from "../toolkit/raw-client.ts";
import type { Comparison, Target } from "../toolkit/statistics.ts";

const AT_ONCE = 16;
const LAYER = KIB;
const WARM_UP = 100;

export const imagePush: Scenario = {
  name: "image-push",
  title: "Image pushes",
  method:
    `${AT_ONCE} connections that are kept alive push images that are new to the server to one repository: a blob of ` +
    "1 KiB (`POST`, then `PUT`), a manifest, and its tag. Both sync before they answer 201.",
  needs: [],
  peers: ["registry"],
  space: { disk: GIB, ram: GIB },
  run,
};

interface Place {
  readonly name: string;
  readonly directory: string;
  readonly target: Target;
}

async function run(bench: Bench): Promise<Comparison[]> {
  const places: Place[] = [{ name: "disk", directory: bench.disk, target: { of: "ratio", atLeast: 3 } }];
  if (bench.ram !== undefined) {
    places.push({ name: "RAM disk", directory: bench.ram, target: { of: "ratio", atLeast: 1.2 } });
  }
  const comparisons: Comparison[] = [];
  for (const place of places) comparisons.push(...(await pushesTo(bench, place)));
  return comparisons;
}

async function pushesTo(bench: Bench, { name, directory, target }: Place): Promise<Comparison[]> {
  await using servers = new AsyncDisposableStack();
  const stores = [
    servers.use(await startLayerd(bench, join(directory, "layerd"))),
    servers.use(await startRegistry(bench, join(directory, "registry"))),
  ].filter((store) => store !== undefined);
  const about = { what: `blob, manifest and tag, ${AT_ONCE} at once, ${name}`, unit: "images/s" };
  const entrants: Entrant[] = [];
  for (const store of stores) entrants.push(await entrant(bench, store));
  return compare(about, await alternate(bench, about, entrants), { registry: target });
}

async function entrant(bench: Bench, store: Store): Promise<Entrant> {
  const count = bench.quick ? 100 : 1000;
  await pushConfig(store.origin, REPOSITORY);
  let pushed = 0;
  const push = async (images: number) => {
    const from = pushed;
    pushed += images;
    const batch = Array.from({ length: images }, (_, n) => ({
      image: makeImage(LAYER),
      tag: `v${from + n}`,
    }));
    const idle = Array.from({ length: AT_ONCE }, () => new RawConnection(store.origin));
    const all = [...idle];
    const seconds = await secondsOf(() =>
      inParallel(batch, AT_ONCE, async ({ image, tag }) => {
        const connection = idle.pop();
        if (connection === undefined) throw new Error("more pushes at once than connections");
        await pushImage(connection, REPOSITORY, image, tag);
        idle.push(connection);
      }),
    );
    for (const connection of all) connection.close();
    return seconds;
  };
  await push(WARM_UP);
  return { name: store.name, server: store, measure: async () => count / (await push(count)) };
}
