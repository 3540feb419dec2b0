import { Readable } from "node:stream";
import type { Digest } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import { createLayerd } from "../../src/create.ts";

import { inParallel } from "./bench.ts";
import { output } from "./command.ts";

/** The smallest tar archive there is: its end. */
export const EMPTY_TAR = Buffer.alloc(1024);
export const TAR = MEDIA_TYPE.tar;

const AT_ONCE = 64;

export interface SeedOptions {
  readonly repositories: readonly string[];
  /** In each of them. */
  readonly manifests: number;
  readonly signal: AbortSignal;
}

/**
 * Fills a data directory with manifests through the domain, as requests would, but without HTTP and with a
 * single sync at the end.
 * @returns the digest of the one layer that all of them name.
 */
export async function seed(data: string, options: SeedOptions): Promise<Digest> {
  const layerd = await createLayerd({ data, durability: "os" });
  const { layers, composer } = layerd.registry;
  try {
    const places = options.repositories.map((name) => ({
      repository: parseRepositoryName(name),
      who: "bench",
    }));
    const source = () => ({ stream: Readable.from([EMPTY_TAR], { objectMode: false }) });
    const stored = await Promise.all(
      places.map((place) => layers.store(place, source(), { mediaType: TAR })),
    );
    const [layer] = stored;
    if (layer === undefined) throw new RangeError("no repositories");
    const posts = function* () {
      for (const place of places) for (let n = 1; n <= options.manifests; n += 1) yield { place, n };
    };
    await inParallel(posts(), AT_ONCE, async ({ place, n }) => {
      options.signal.throwIfAborted();
      await composer.post(place, manifestRequest(layer.digest, n));
    });
    return layer.digest;
  } finally {
    await layerd.close();
    // Else it would be written while something is measured.
    await output("sync", ["--file-system", data]);
  }
}

/** What is posted to layerd; every `n` makes another manifest. */
export function manifestRequest<D extends string>(layer: D, n: number) {
  return { layers: [{ digest: layer }], annotations: { "org.example.number": String(n) } };
}
