import { bytesOf, MiB } from "../blobs/samples.ts";
import { Client, CONFIG, describe, IMAGE_CONFIG, LAYER, sha256 } from "../http/v2/client.ts";

/** What was acknowledged, and so must be there whatever happens next. */
export interface Acknowledged {
  readonly layers: Map<string, Buffer>;
  /** By digest. */
  readonly manifests: Map<string, string>;
  /** Where each tag is; `undefined` when the last request about it failed: it may have taken effect or not. */
  readonly tags: Map<string, string | null | undefined>;
  /** Statuses of requests that failed. */
  readonly failures: number[];
}

const NAME = "team/app";

/** Does everything once that writes, some of it at the same time. A request that fails is not tried again. */
export async function work(url: string, seed: number): Promise<Acknowledged> {
  const client = new Client(url, NAME);
  const done: Acknowledged = { layers: new Map(), manifests: new Map(), tags: new Map(), failures: [] };
  await Promise.all([
    ...[100, 70_000, 3 * MiB].map((size, at) => storeLayer(client, done, bytesOf(seed * 100 + at, size))),
    ...["a", "b", "c"].map((tag) => storeImage(client, done, `${seed}-${tag}`, tag)),
  ]);
  // Moves a tag, deletes another one, and a manifest.
  await storeImage(client, done, `${seed}-d`, "a");
  const deleted = await status(() => client.send("DELETE", "manifests/b"));
  // It may not have come to be there.
  if (deleted === 202 || deleted === 404) done.tags.set("b", null);
  else {
    done.tags.set("b", undefined);
    done.failures.push(deleted);
  }
  return done;
}

async function storeLayer(client: Client, done: Acknowledged, bytes: Buffer): Promise<void> {
  const path = `/layer/${sha256(bytes)}`;
  const answered = await status(() => client.follow("PUT", path, bytes));
  settle(done, answered === 201, answered, () => done.layers.set(path, bytes));
}

async function storeImage(client: Client, done: Acknowledged, content: string, tag: string): Promise<void> {
  const blobs = [IMAGE_CONFIG, content];
  for (const blob of blobs) {
    const answered = await status(() => client.send("POST", `blobs/uploads/?digest=${sha256(blob)}`, blob));
    if (answered !== 201) return void done.failures.push(answered);
  }
  const layers = [describe(LAYER, content)];
  const manifest = JSON.stringify({ schemaVersion: 2, config: describe(CONFIG, IMAGE_CONFIG), layers });
  const answered = await status(() => client.putManifest(tag, manifest));
  settle(
    done,
    answered === 201,
    answered,
    () => {
      done.manifests.set(sha256(manifest), manifest);
      done.tags.set(tag, sha256(manifest));
    },
    () => done.tags.set(tag, undefined),
  );
}

/** 0 when there was no answer. */
async function status(send: () => Promise<Response>): Promise<number> {
  try {
    const answer = await send();
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return 0;
  }
}

function settle(
  done: Acknowledged,
  well: boolean,
  answered: number,
  then: () => void,
  or?: () => void,
): void {
  if (well) then();
  else {
    done.failures.push(answered);
    or?.();
  }
}

/** What is not as it was acknowledged, in words. */
export async function losses(url: string, done: Acknowledged): Promise<string[]> {
  const client = new Client(url, NAME);
  const lost: string[] = [];
  for (const [path, bytes] of done.layers) {
    const answer = await client.follow("GET", path);
    if (!Buffer.from(await answer.arrayBuffer()).equals(bytes)) lost.push(`${path}: ${answer.status}`);
  }
  for (const [digest, manifest] of done.manifests) {
    const answer = await client.send("GET", `manifests/${digest}`);
    if ((await answer.text()) !== manifest) lost.push(`${digest}: ${answer.status}`);
    for (const { digest: blob } of JSON.parse(manifest).layers) {
      const got = await client.status("GET", `blobs/${blob}`);
      if (got !== 200) lost.push(`${blob} of ${digest}: ${got}`);
    }
  }
  for (const [tag, digest] of done.tags) {
    if (digest === undefined) continue;
    const answer = await client.send("HEAD", `manifests/${tag}`);
    const is = answer.status === 404 ? null : answer.headers.get("docker-content-digest");
    if (is !== digest) lost.push(`the tag ${tag} is at ${is}, not at ${digest}`);
  }
  return lost;
}
