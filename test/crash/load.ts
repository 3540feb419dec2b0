import { MEDIA_TYPE } from "../../src/core/media-type.ts";
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
      ways.push(
        () => this.#uploader.putLayer(content),
        () => this.#uploader.postLayer(content),
      );
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

  /** As every client does: ask for the blobs, push those that are missing, push the manifest. */
  async #pushImage(repository: Repository, image: Image, tag: string | undefined): Promise<void> {
    const { digest, bytes, blobs } = image;
    const items = blobs.map((blob) => this.#model.item("blob", repository, blob.digest));
    const manifest = this.#model.item("manifest", repository, digest);
    const tags = tag === undefined ? [] : [this.#model.item("tag", repository, tag)];
    using lock = this.#model.lock([...items, manifest, ...tags]);
    if (lock === undefined) return;
    for (const [at, blob] of blobs.entries()) {
      if (!(await this.#ask(items[at] as Item))) await this.#upload(repository, blob);
    }
    const path = `/v2/${repository.name}/manifests/${tag ?? digest}`;
    const intents = [manifest, ...tags].map((item) => ({ item, to: digest }));
    await this.#model.attempt(intents, async () => {
      const headers = { "Content-Type": MEDIA_TYPE.manifest };
      const answer = await this.#client.send("PUT", path, { headers, body: bytes });
      // A client that was so slow that what it was promised has gone is told so, and pushes the blobs.
      const late = items.some((item) => !this.#model.isPromised(item, answer.receivedAt));
      expectStatus(answer, `PUT ${path}`, 201, ...(late ? [400, 404] : []));
      return { ...answer, done: answer.status === 201 };
    });
  }

  /** Whether a blob is there, which the server then promises. */
  async #ask(item: Item): Promise<boolean> {
    const path = `/v2/${item.repository.name}/blobs/${item.id}`;
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
    // With the manifests that name it, so that it is known whether it may be deleted.
    using lock = this.#model.lock([item, ...users, ...users.flatMap((user) => this.#model.tagsOf(user))]);
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
  const path = `/v2/${item.repository.name}/${item.kind === "blob" ? "blobs" : "manifests"}/${item.id}`;
  const answer = expectStatus(await client.send("GET", path), `GET ${path}`, 200, 404);
  if (answer.status === 404) return { seen: undefined, answer };
  const { digest } = contentOf(answer.body);
  const announced = answer.headers["docker-content-digest"];
  if (announced !== digest) throw new Failure(`GET ${path}: ${digest} came, ${announced} was announced`);
  return { seen: digest, answer };
}
