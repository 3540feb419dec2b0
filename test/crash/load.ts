import { algorithmOf, parseDigest } from "../../src/core/digest.ts";
import type { Random } from "../tools/random.ts";
import { type Content, contentOf, type Image } from "./contents.ts";
import type { Answer, Client } from "./http.ts";
import type { Item, Model, Repository } from "./model.ts";
import { expectStatus, Failure, type Session, Uploader } from "./uploads.ts";

/** What all clients of a run share. */
export interface World {
  readonly model: Model;
  readonly repositories: readonly Repository[];
  readonly pool: readonly Content[];
  readonly images: readonly Image[];
  readonly tags: readonly string[];
  /** Uploads that have been begun and not ended. */
  readonly sessions: Set<Session>;
  operations: number;
}

/** The repository that `/layer` shows. */
export const LIBRARY = "library";

/** A client that does one random thing after the other, and holds every answer against the model. */
export class LoadClient {
  readonly #world: World;
  readonly #model: Model;
  readonly #client: Client;
  readonly #random: Random;
  readonly #uploader: Uploader;

  constructor(world: World, client: Client, random: Random) {
    this.#world = world;
    this.#model = world.model;
    this.#client = client;
    this.#random = random;
    this.#uploader = new Uploader(client, random);
  }

  /** One operation. @throws Cut, Failure */
  async step(): Promise<void> {
    const { repositories, pool, images, tags } = this.#world;
    const repository = this.#random.pick(repositories);
    const kinds: readonly (readonly [weight: number, () => Promise<void>])[] = [
      [20, () => this.#pushBlob(repository, this.#pick(pool, repository))],
      [8, () => this.#mount(repository, this.#random.pick(repositories), this.#pick(pool, repository))],
      [30, () => this.#pushImage(repository, this.#pick(images, repository), this.#random.pick(tags))],
      [8, () => this.#pushImage(repository, this.#pick(images, repository), undefined)],
      [6, () => this.#deleteTag(repository, this.#random.pick(tags))],
      [6, () => this.#deleteManifest(repository, this.#pick(images, repository))],
      [8, () => this.#deleteBlob(repository, this.#pick(pool, repository))],
      [6, () => this.#abandon(repository, this.#pick(pool, repository))],
      [14, () => this.#look(repository)],
    ];
    let left = this.#random.int(
      0,
      kinds.reduce((sum, [weight]) => sum + weight, 0),
    );
    for (const [weight, run] of kinds) {
      left -= weight;
      if (left >= 0) continue;
      await run();
      this.#world.operations += 1;
      return;
    }
  }

  #pick<T>(items: readonly T[], { share }: Repository): T {
    return this.#random.pick(items.slice(0, Math.ceil(items.length * share)));
  }

  async #pushBlob(repository: Repository, content: Content): Promise<void> {
    const item = this.#model.item("blob", repository, content.digest);
    using lock = this.#model.lock([item]);
    if (lock === undefined) return;
    await this.#upload(repository, content);
  }

  async #upload(repository: Repository, content: Content): Promise<void> {
    const { name } = repository;
    const ways: (() => Promise<Answer>)[] = [
      () => this.#uploader.post(name, content),
      () => this.#uploader.postPut(name, content),
      async () => {
        const session = await this.#uploader.open(name, content);
        this.#world.sessions.add(session);
        const answer = await this.#uploader.chunked(session);
        this.#world.sessions.delete(session);
        return answer;
      },
    ];
    if (name === LIBRARY) {
      ways.push(() => this.#uploader.putLayer(content));
      // Who says no digest gets a sha256.
      if (content.digest.startsWith("sha256:")) ways.push(() => this.#uploader.postLayer(content));
    }
    const item = this.#model.item("blob", repository, content.digest);
    const way = this.#random.pick(ways);
    await this.#model.attempt([{ item, to: content.digest }], async () => done(await way()));
  }

  /** Begins an upload and leaves it alone: it is gone on with after a restart. */
  async #abandon(repository: Repository, content: Content): Promise<void> {
    const session = await this.#uploader.open(repository.name, content);
    this.#world.sessions.add(session);
    await this.#uploader.append(session, this.#random.int(1, 4));
  }

  /** What cannot be mounted opens a session, which is worth nothing while it is empty. */
  async #mount(repository: Repository, from: Repository, { digest }: Content): Promise<void> {
    const item = this.#model.item("blob", repository, digest);
    const source = this.#model.item("blob", from, digest);
    using lock = repository === from ? undefined : this.#model.lock([item, source]);
    if (lock === undefined) return;
    const path = `/v2/${repository.name}/blobs/uploads/?mount=${digest}&from=${from.name}`;
    const answer = await this.#model.attempt([{ item, to: digest }], async () => {
      const got = expectStatus(await this.#client.send("POST", path), path, 201, 202);
      return { ...got, done: got.status === 201 };
    });
    this.#require(source, answer.done ? digest : undefined, answer, "mounting");
  }

  /** As every client does: ask for what a manifest names, push what is missing, push the manifest. */
  async #pushImage(repository: Repository, image: Image, tag: string | undefined): Promise<void> {
    const tags = tag === undefined ? [] : [this.#model.item("tag", repository, tag)];
    using lock = this.#model.lock([...this.#family(repository, image), ...tags]);
    if (lock !== undefined) await this.#putImage(repository, image, tags);
  }

  /** A manifest and all that it names. */
  #family(repository: Repository, { digest, blobs, manifests }: Image): Item[] {
    const named = [
      ...blobs.map((blob) => this.#model.item("blob", repository, blob.digest)),
      ...manifests.flatMap((manifest) => this.#family(repository, manifest)),
    ];
    return [...new Set([this.#model.item("manifest", repository, digest), ...named])];
  }

  async #putImage(repository: Repository, image: Image, tags: readonly Item[]): Promise<void> {
    const { digest, bytes, mediaType, blobs, manifests } = image;
    const manifest = this.#model.item("manifest", repository, digest);
    const needed = blobs.map((blob) => this.#model.item("blob", repository, blob.digest));
    const children = manifests.map((child) => this.#model.item("manifest", repository, child.digest));
    for (const [at, blob] of blobs.entries()) {
      if (!(await this.#ask(needed[at] as Item))) await this.#upload(repository, blob);
    }
    for (const [at, child] of manifests.entries()) {
      if (!(await this.#ask(children[at] as Item))) await this.#putImage(repository, child, []);
    }
    const path = this.#pathOf(manifest, tags);
    const intents = [manifest, ...tags].map((item) => ({ item, to: digest }));
    await this.#model.attempt(intents, async () => {
      const headers = { "Content-Type": mediaType };
      const answer = await this.#client.send("PUT", path, { headers, body: bytes });
      // A client that was so slow that what it was promised has gone is told so, and pushes the blobs.
      const late = [...needed, ...children].some((item) => !this.#model.isPromised(item, answer.receivedAt));
      expectStatus(answer, `PUT ${path}`, 201, ...(late ? [400, 404] : []));
      return { ...answer, done: answer.status === 201 };
    });
  }

  /** By its tag, or by its digest with the tag as a parameter: so goes a digest that is not the usual one. */
  #pathOf({ repository, id }: Item, tags: readonly Item[]): string {
    const path = `/v2/${repository.name}/manifests`;
    const [tag] = tags;
    if (tag === undefined) return `${path}/${id}`;
    const byDigest = id.startsWith("sha512:") || this.#random.chance(0.3);
    return byDigest ? `${path}/${id}?tag=${tag.id}` : `${path}/${tag.id}`;
  }

  /** Whether a blob or a manifest is there, which the server then promises. */
  async #ask(item: Item): Promise<boolean> {
    const path = pathOf(item);
    const answer = expectStatus(await this.#client.send("HEAD", path), `HEAD ${path}`, 200, 404);
    const seen = answer.status === 200 ? item.id : undefined;
    this.#require(item, seen, answer, "HEAD");
    this.#model.settle(item, seen, answer.sentAt);
    return answer.status === 200;
  }

  async #deleteTag(repository: Repository, tag: string): Promise<void> {
    const item = this.#model.item("tag", repository, tag);
    using lock = this.#model.lock([item]);
    if (lock === undefined) return;
    const before = item.value;
    const answer = await this.#delete([item], `/v2/${repository.name}/manifests/${tag}`, [202, 404]);
    if ((answer.status === 202) !== (before !== undefined))
      throw new Failure(`DELETE of the tag ${tag} at ${before} was answered with ${answer.status}`);
  }

  /** Its tags go with it. */
  async #deleteManifest(repository: Repository, { digest }: Image): Promise<void> {
    const item = this.#model.item("manifest", repository, digest);
    const tags = this.#model.tagsOf(item);
    using lock = this.#model.lock([item, ...tags]);
    if (lock === undefined) return;
    const before = { ...item };
    const answer = await this.#delete(
      [item, ...tags],
      `/v2/${repository.name}/manifests/${digest}`,
      [202, 404],
    );
    const here = answer.status === 202 ? digest : undefined;
    if (!this.#model.allows(before, here, answer.receivedAt))
      throw new Failure(`DELETE of the manifest ${digest} was answered with ${answer.status}`);
    if (answer.status === 404) this.#model.settle(item, undefined);
  }

  async #deleteBlob(repository: Repository, { digest }: Content): Promise<void> {
    const item = this.#model.item("blob", repository, digest);
    const users = this.#model
      .all("manifest")
      .filter(
        (one) =>
          one.repository === repository && this.#model.image(one.id).blobs.some((b) => b.digest === digest),
      );
    // With the manifests that name it, and what keeps those, so that it is known whether it may be deleted.
    const keeping = [...users, ...users.flatMap((user) => this.#model.indexesOf(user))];
    const tags = keeping.flatMap((manifest) => this.#model.tagsOf(manifest));
    using lock = this.#model.lock([item, ...keeping, ...tags]);
    if (lock === undefined) return;
    const needed = this.#model.needs(item, Number.POSITIVE_INFINITY);
    const path = `/v2/${repository.name}/blobs/${digest}`;
    const answer = await this.#delete(needed ? [] : [item], path, needed ? [409, 405] : [202, 404, 405, 409]);
    if (answer.status === 404) this.#model.settle(item, undefined);
  }

  async #delete(items: readonly Item[], path: string, statuses: readonly number[]) {
    return await this.#model.attempt(
      items.map((item) => ({ item, to: undefined })),
      async () => {
        const answer = expectStatus(await this.#client.send("DELETE", path), `DELETE ${path}`, ...statuses);
        return { ...answer, done: answer.status === 202 };
      },
    );
  }

  /** Reads something that is here, as far as anybody knows. */
  async #look(repository: Repository): Promise<void> {
    const kind = this.#random.pick(["blob", "manifest", "tag"] as const);
    const here = this.#model.here(kind, repository);
    if (here.length === 0) return;
    const item = this.#random.pick(here);
    using lock = this.#model.lock([item]);
    if (lock === undefined) return;
    const { seen, answer } = await readItem(this.#client, item);
    this.#require(item, seen, answer, "GET");
    this.#model.settle(item, seen);
    await requireListed(this.#model, this.#client, item);
  }

  #require(item: Item, seen: string | undefined, answer: Answer, what: string): void {
    requireAllowed(this.#model, item, seen, answer.receivedAt, what);
  }
}

function done(answer: Answer) {
  return { ...answer, done: true };
}

export function requireAllowed(
  model: Model,
  item: Item,
  seen: string | undefined,
  at: number,
  what: string,
): void {
  if (model.allows(item, seen, at)) return;
  const { kind, repository, id, value, maybe } = item;
  const known = [value, ...maybe].map((one) => one ?? "nothing").join(" or ");
  throw new Failure(
    `${what}: ${kind} ${id} of ${repository.name} is ${seen ?? "not there"}, and was ${known}`,
  );
}

/** Reads an item whole, and resolves with the digest of what came: of a tag that of the manifest it is at. */
export async function readItem(
  client: Client,
  item: Item,
): Promise<{ seen: string | undefined; answer: Answer }> {
  const path = pathOf(item);
  const answer = expectStatus(await client.send("GET", path), `GET ${path}`, 200, 404);
  if (answer.status === 404) return { seen: undefined, answer };
  const announced = parseDigest(String(answer.headers["docker-content-digest"]));
  const { digest } = contentOf(answer.body, algorithmOf(announced));
  if (announced !== digest) throw new Failure(`GET ${path}: ${digest} came, ${announced} was announced`);
  return { seen: digest, answer };
}

/** A manifest that refers to another one is listed as doing so, as long as it is here. */
export async function requireListed(model: Model, client: Client, item: Item): Promise<void> {
  const subject = item.kind === "manifest" ? model.image(item.id).subject : undefined;
  if (subject === undefined) return;
  const path = `/v2/${item.repository.name}/referrers/${subject.digest}`;
  const isListed = async () => {
    const answer = expectStatus(await client.send("GET", path), `GET ${path}`, 200);
    const { manifests } = JSON.parse(answer.body.toString());
    return manifests.some(({ digest }: { digest: string }) => digest === item.id);
  };
  const isHere = async () => (await readItem(client, item)).seen !== undefined;
  const [before, listed, after] = [await isHere(), await isListed(), await isHere()];
  // It may just have been collected.
  if (before === after && listed !== after)
    throw new Failure(`${item.id} is ${listed ? "" : "not "}in ${path}, and is ${after ? "" : "not "}here`);
}

function pathOf({ kind, repository, id }: Item): string {
  return `/v2/${repository.name}/${kind === "blob" ? "blobs" : "manifests"}/${id}`;
}
