import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "../toolkit/bench.ts";
import { ContentFile } from "../toolkit/content.ts";
import { upload } from "../toolkit/curl.ts";
import { verifyDownload } from "../toolkit/http-client.ts";
import type { Server } from "../toolkit/server.ts";
import { startRegistry } from "./cncf-registry.ts";
import { startLayerd } from "./layerd.ts";
import { startNginx } from "./nginx.ts";
import type { Store } from "./store.ts";

/** A running server that has the layer to be read. */
export interface Source {
  readonly name: string;
  readonly server: Server;
  readonly url: string;
}

/**
 * Starts layerd and those of nginx and the registry that are installed, each with its own copy of one layer.
 * @param servers takes over what was started.
 * @param size bytes of the layer, a whole number of KiB.
 */
export async function startSources(
  bench: Bench,
  servers: AsyncDisposableStack,
  size: number,
): Promise<{ readonly content: ContentFile; readonly sources: readonly Source[] }> {
  const root = join(bench.disk, "nginx-root");
  await mkdir(root);
  const content = await ContentFile.create(join(root, "layer"), size);
  const layerd = servers.use(await startLayerd(bench, join(bench.disk, "layerd")));
  const nginx = servers.use(await startNginx(bench, root));
  const registry = servers.use(await startRegistry(bench, join(bench.disk, "registry")));
  const sources = [
    await stored(bench, layerd, content),
    ...(nginx === undefined ? [] : [{ name: nginx.name, server: nginx, url: `${nginx.origin}/layer` }]),
    ...(registry === undefined ? [] : [await stored(bench, registry, content)]),
  ];
  for (const { url } of sources) await verifyDownload(url, content.digest);
  return { content, sources };
}

async function stored(bench: Bench, store: Store, content: ContentFile): Promise<Source> {
  await upload(bench, await store.beginUpload(content.digest), content);
  return { name: store.name, server: store, url: store.urlOf(content.digest) };
}
