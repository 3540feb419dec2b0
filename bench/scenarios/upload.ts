import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { startRegistry } from "../contenders/cncf-registry.ts";
import { startLayerd } from "../contenders/layerd.ts";
import type { Store } from "../contenders/store.ts";
import { alternate, type Bench, compare, GIB, MIB, type Scenario, secondsOf } from "../toolkit/bench.ts";
import { output } from "../toolkit/command.ts";
import { ContentFile } from "../toolkit/content.ts";
import * as curl from "../toolkit/curl.ts";
import { expect, send } from "../toolkit/http-client.ts";
import type { Comparison, Target } from "../toolkit/statistics.ts";
import { formatSize } from "../toolkit/table.ts";

export const upload: Scenario = {
  name: "upload",
  title: "Upload",
  method:
    "curl sends files of random bytes from memory, each content new to the server: `POST /layer` to layerd, " +
    "`POST /v2/…/blobs/uploads/` and `PUT` to the registry. Both sync before they answer 201. Between runs " +
    "what was uploaded is deleted and the filesystem synced. Wall clock, from the first request to the last 201.",
  needs: ["curl"],
  peers: ["registry"],
  space: { disk: 8 * GIB, ram: 6 * GIB },
  run,
};

interface Place {
  readonly name: string;
  readonly directory: string;
  /** Asked of one client. */
  readonly target: Target;
}

async function run(bench: Bench): Promise<Comparison[]> {
  const places: Place[] = [
    { name: "disk", directory: bench.disk, target: { of: "ratio", atLeast: 1 } },
    ...(bench.ram === undefined
      ? []
      : [{ name: "RAM disk", directory: bench.ram, target: { of: "ratio", atLeast: 1.2 } as const }]),
  ];
  const comparisons: Comparison[] = [];
  for (const place of places) comparisons.push(...(await uploadsTo(bench, place)));
  return comparisons;
}

async function uploadsTo(bench: Bench, place: Place): Promise<Comparison[]> {
  const shrink = bench.quick ? 8 : 1;
  await using servers = new AsyncDisposableStack();
  const sides = [
    await startSide(bench, servers, join(place.directory, "layerd"), startLayerd),
    await startSide(bench, servers, join(place.directory, "registry"), startRegistry),
  ].filter((side) => side !== undefined);
  return [
    ...(await measure(bench, place, sides, { clients: 1, size: GIB / shrink, target: place.target })),
    ...(await measure(bench, place, sides, { clients: 8, size: (256 * MIB) / shrink })),
  ];
}

interface Side {
  readonly store: Store;
  readonly directory: string;
}

async function startSide(
  bench: Bench,
  servers: AsyncDisposableStack,
  directory: string,
  start: (bench: Bench, data: string) => Promise<Store | undefined>,
): Promise<Side | undefined> {
  await mkdir(directory);
  const store = servers.use(await start(bench, directory));
  return store && { store, directory };
}

interface Load {
  readonly clients: number;
  readonly size: number;
  readonly target?: Target;
}

async function measure(bench: Bench, place: Place, sides: readonly Side[], load: Load) {
  const { clients, size, target } = load;
  const who =
    clients === 1
      ? `${formatSize(size)}, one client`
      : `${clients} × ${formatSize(size)}, ${clients} clients`;
  const about = { what: `${who}, ${place.name}`, unit: "MiB/s" };
  const sources = join(bench.ram ?? bench.disk, "sources");
  await mkdir(sources);
  const contents = await Promise.all(
    Array.from({ length: clients }, (_, at) => ContentFile.create(join(sources, String(at)), size)),
  );
  const entrants = sides.map((side) => ({
    name: side.store.name,
    server: side.store,
    measure: async () => (clients * size) / MIB / (await uploadOnce(bench, side, contents)),
  }));
  const figures = await alternate(bench, about, entrants);
  await rm(sources, { recursive: true });
  return compare(about, figures, { registry: target });
}

/** @returns seconds */
async function uploadOnce(bench: Bench, side: Side, contents: readonly ContentFile[]): Promise<number> {
  const { store, directory } = side;
  for (const content of contents) await content.renew();
  await output("sync", ["--file-system", directory], bench.signal);
  const one = async (content: ContentFile) =>
    curl.upload(bench, await store.beginUpload(content.digest), content);
  const seconds = await secondsOf(() => Promise.all(contents.map(one)));
  for (const { digest } of contents) await mustExist(store.urlOf(digest));
  await deleteLargeFiles(directory);
  return seconds;
}

/** Both servers compute the digest themselves: there is nothing at this address if other bytes arrived. */
async function mustExist(url: string): Promise<void> {
  const request = { method: "HEAD", url };
  expect(200, request, await send(request));
}

/** Makes room behind a server's back, which neither of them minds: all that stays is small. */
async function deleteLargeFiles(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && (await stat(path)).size >= MIB) await rm(path);
  }
}
