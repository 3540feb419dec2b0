import { createHash } from "node:crypto";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Random } from "../tools/random.ts";
import type { Client } from "./http.ts";
import { LIBRARY, readItem, requireAllowed, requireListed, type World } from "./load.ts";
import type { Item, Repository } from "./model.ts";
import { expectStatus, Failure, type Session, Uploader } from "./uploads.ts";

// Requests at a time: what was promised before a crash is to be looked at before that time is over.
const AT_ONCE = 8;

/** Files below a directory of a data directory, by their paths in it. */
export async function filesIn(data: string, directory: string): Promise<string[]> {
  const entries = await readdir(join(data, directory), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(data, join(entry.parentPath, entry.name)));
}

/** Every file that would be served is what its name says. To be called while no server runs. */
export async function checkFiles(data: string): Promise<void> {
  for (const path of await filesIn(data, "blobs")) {
    const [, algorithm = "", , hex] = path.split("/");
    const actual = createHash(algorithm)
      .update(await readFile(join(data, path)))
      .digest("hex");
    if (actual !== hex) throw new Failure(`${path} holds ${actual}`);
  }
}

/** What clients were told is so, what they were not told is so wholly or not at all. Settles the model. */
export async function verify(world: World, client: Client, random: Random, startedAt: number): Promise<void> {
  const { model } = world;
  await each(world.sessions, (session) => goOn(world, client, random, { session, startedAt }));
  const published = model
    .all("tag")
    .flatMap((tag) => tag.maybe.map((to) => ({ tag, to })))
    .filter(({ tag, to }) => to !== undefined && isNew(world, tag.repository, to));
  const look = async (item: Item) => {
    const { seen, answer } = await readItem(client, item);
    requireAllowed(model, item, seen, answer.receivedAt, "after a crash");
    model.settle(item, seen, seen === undefined ? undefined : startedAt);
  };
  // From what needs others to what is needed: tags decide whether manifests must be there, and they whether blobs must.
  for (const kind of ["tag", "manifest", "blob"] as const) await each(model.all(kind), look);
  for (const { tag, to = "" } of published) {
    const manifest = model.item("manifest", tag.repository, to);
    if (manifest.value !== undefined && tag.value !== to)
      throw new Failure(`${to} was pushed as ${tag.id}: it is there, and the tag is at ${tag.value}`);
  }
  await each(model.all("manifest"), (manifest) => requireWhole(world, client, manifest));
  await each(model.all("manifest"), (manifest) => requireListed(model, client, manifest));
}

/** Whether a push of that manifest would have been the first one. */
function isNew({ model }: World, repository: Repository, digest: string): boolean {
  return model.item("manifest", repository, digest).value === undefined;
}

/** A manifest that is served has all its blobs served. */
async function requireWhole({ model }: World, client: Client, manifest: Item): Promise<void> {
  if (manifest.value === undefined) return;
  for (const { digest } of model.image(manifest.id).blobs) {
    const blob = model.item("blob", manifest.repository, digest);
    if (blob.value !== undefined || (await readItem(client, blob)).seen !== undefined) continue;
    if ((await readItem(client, manifest)).seen === undefined) return;
    throw new Failure(`the manifest ${manifest.id} of ${manifest.repository.name} has no blob ${digest}`);
  }
}

/** Goes on with an upload, or cancels it: what was acknowledged of it need not be sent again. */
async function goOn(
  world: World,
  client: Client,
  random: Random,
  { session, startedAt }: { readonly session: Session; readonly startedAt: number },
): Promise<void> {
  const { content, repository, acknowledged, finishing, path } = session;
  const item = world.model.item(
    "blob",
    world.repositories.find(({ name }) => name === repository) as Repository,
    content.digest,
  );
  world.sessions.delete(session);
  const answer = expectStatus(await client.send("GET", path), `GET ${path}`, 204, 404);
  if (answer.status === 404) {
    if (acknowledged === 0) return;
    const { seen, answer: read } = await readItem(client, item);
    // What it had become before the crash may be collected a grace period after the start.
    const mayBeCollected = !world.model.isPromised({ promisedAt: startedAt }, read.receivedAt);
    if (finishing && (seen !== undefined || mayBeCollected)) return;
    const what = `${finishing ? "finished" : "unfinished"} upload`;
    throw new Failure(`the ${what} of which ${acknowledged} bytes were acknowledged is gone: ${path}`);
  }
  const last = Number(/^0-(\d+)$/.exec(answer.headers.range ?? "")?.[1]);
  // An upload that is empty looks like one of a byte.
  const offset = last === 0 ? Math.min(acknowledged, 1) : last + 1;
  if (!(offset >= acknowledged && offset <= content.bytes.length))
    throw new Failure(
      `${acknowledged} bytes of ${path} were acknowledged, ${answer.headers.range} are there`,
    );
  if (last === 0 || random.chance(0.3)) {
    expectStatus(await client.send("DELETE", path), `DELETE ${path}`, 204);
    return;
  }
  session.acknowledged = offset;
  const finished = await new Uploader(client, random).finish(session);
  world.model.settle(item, content.digest, finished.sentAt);
}

/** Deletes everything that does not go by itself. */
export async function deleteEverything({ model }: World, client: Client): Promise<void> {
  const remove = async ({ repository, id }: Item, what: string) => {
    const path = `/v2/${repository.name}/${what}/${id}`;
    expectStatus(await client.send("DELETE", path), `DELETE ${path}`, 202, 404);
  };
  await each(model.all("tag"), (item) => remove(item, "manifests"));
  await each(model.all("manifest"), (item) => remove(item, "manifests"));
  const kept = model.all("blob").filter(({ repository }) => repository.name === LIBRARY);
  await each(kept, (item) => remove(item, "blobs"));
}

/** Descriptors that a process has open on files of a data directory, and how many on sockets. */
export async function openFiles(pid: number, data: string): Promise<{ files: string[]; sockets: number }> {
  const directory = `/proc/${pid}/fd`;
  const links = await Promise.all(
    (await readdir(directory)).map((name) => readlink(join(directory, name)).catch(() => "")),
  );
  return {
    files: links.filter((link) => /^(?:blobs|uploads|trash)\//.test(relative(data, link))),
    sockets: links.filter((link) => link.startsWith("socket:")).length,
  };
}

/** Works on some of them at a time. */
export async function each<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items].values();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
