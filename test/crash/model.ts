import type { Image } from "./contents.ts";

export interface Repository {
  readonly name: string;
  /** Whether blobs stay there that no manifest names. */
  readonly keepsUnused: boolean;
  /** Whether manifests without a tag are collected there. */
  readonly collectsUntagged: boolean;
  /** How much of all contents comes there, from 0 to 1: what is kept for ever in one place is never collected. */
  readonly share: number;
}

/** A blob or a manifest, whose value is its digest when it is here, or a tag, whose value is where it is. */
export interface Item {
  readonly kind: "blob" | "manifest" | "tag";
  readonly repository: Repository;
  readonly id: string;
  /** What was acknowledged or seen last; `undefined` when it is not here. */
  value: string | undefined;
  /** What it may be instead, because a request that would make it so has had no answer. */
  maybe: (string | undefined)[];
  /** When the server was last asked for something that makes it promise this, in milliseconds since the epoch. */
  promisedAt: number;
}

export interface Intent {
  readonly item: Item;
  readonly to: string | undefined;
}

// Milliseconds by which a timer of the server's may be early.
const SLACK = 50;

/**
 * What clients have been told, and so what must be here, what may be, and what must not. Nobody works on an item
 * that somebody else has locked, so that of each it is known what comes after what.
 */
export class Model {
  readonly #items = new Map<string, Item>();
  readonly #images = new Map<string, Image>();
  readonly #locked = new Set<Item>();
  readonly #grace: number;
  /** Requests that change something and have had no answer. */
  inFlight = 0;

  /** @param grace milliseconds that a promise of the server's holds */
  constructor(grace: number) {
    this.#grace = grace;
  }

  item(kind: Item["kind"], repository: Repository, id: string): Item {
    const key = `${kind} ${repository.name} ${id}`;
    const known = this.#items.get(key);
    if (known !== undefined) return known;
    const item = {
      ...{ kind, repository, id, value: undefined, maybe: [] },
      promisedAt: Number.NEGATIVE_INFINITY,
    };
    this.#items.set(key, item);
    return item;
  }

  all(kind: Item["kind"]): Item[] {
    return [...this.#items.values()].filter((item) => item.kind === kind);
  }

  /** Items of a kind that are here as far as anybody knows. */
  here(kind: Item["kind"], repository: Repository): Item[] {
    return this.all(kind).filter((item) => item.repository === repository && item.value !== undefined);
  }

  remember(image: Image): void {
    this.#images.set(image.digest, image);
  }

  /** @throws when nobody has ever made it */
  image(digest: string): Image {
    const image = this.#images.get(digest);
    if (image === undefined) throw new Error(`nobody has made a manifest ${digest}`);
    return image;
  }

  tagsOf(manifest: Item): Item[] {
    return this.here("tag", manifest.repository).filter(({ value }) => value === manifest.id);
  }

  /** `undefined` when one of them is locked by somebody else. */
  lock(items: readonly Item[]): Disposable | undefined {
    if (items.some((item) => this.#locked.has(item))) return undefined;
    for (const item of items) this.#locked.add(item);
    return { [Symbol.dispose]: () => items.forEach((item) => void this.#locked.delete(item)) };
  }

  /** Runs a request that would make these changes; it says what has become of it, or throws. */
  async attempt<T extends { readonly done: boolean; readonly sentAt: number }>(
    intents: readonly Intent[],
    request: () => Promise<T>,
  ): Promise<T> {
    for (const { item, to } of intents) item.maybe.push(to);
    this.inFlight += 1;
    const answer = await request();
    this.inFlight -= 1;
    for (const { item, to } of intents) {
      item.maybe = [];
      if (!answer.done) continue;
      item.value = to;
      if (to !== undefined) item.promisedAt = Math.max(item.promisedAt, answer.sentAt);
    }
    return answer;
  }

  /** What an item may be, for somebody who hears of it at a time, in milliseconds since the epoch. */
  allows(item: Item, seen: string | undefined, at: number): boolean {
    const values = [item.value, ...item.maybe];
    if (values.includes(seen)) return true;
    return seen === undefined && !this.#mustStay(item, at);
  }

  /** Takes what was seen for what is. */
  settle(item: Item, seen: string | undefined, at?: number): void {
    item.value = seen;
    item.maybe = [];
    if (at !== undefined) item.promisedAt = Math.max(item.promisedAt, at);
  }

  /** Whether an item that is here will be at that time, unless somebody asks for the opposite. */
  #mustStay(item: Item, at: number): boolean {
    const { repository } = item;
    if (item.kind === "tag" || this.isPromised(item, at)) return true;
    if (item.kind === "manifest") {
      const isTagged = this.tagsOf(item).some((tag) => tag.maybe.length === 0);
      return !repository.collectsUntagged || isTagged || this.#isListed(item, at);
    }
    return repository.keepsUnused || this.needs(item, at);
  }

  /**
   * Whether an index lists a manifest that is certainly here and will be. That something refers to one that is here
   * says less: it may have been collected while that one was not.
   */
  #isListed(manifest: Item, at: number): boolean {
    return this.indexesOf(manifest).some((index) => this.#isCertain(index) && this.#mustStay(index, at));
  }

  /** Indexes that are here and list a manifest. */
  indexesOf({ repository, id }: Item): Item[] {
    return this.here("manifest", repository).filter((index) =>
      this.image(index.id).manifests.some(({ digest }) => digest === id),
    );
  }

  /** Whether nobody has asked for it to go. */
  #isCertain({ maybe }: Item): boolean {
    return maybe.every((value) => value !== undefined);
  }

  isPromised({ promisedAt }: Pick<Item, "promisedAt">, at: number): boolean {
    return promisedAt + this.#grace - SLACK > at;
  }

  /** Whether a manifest names a blob that is certainly here and will be. */
  needs(blob: Item, at: number): boolean {
    return this.here("manifest", blob.repository).some(
      (manifest) =>
        this.#isCertain(manifest) &&
        this.image(manifest.id).blobs.some(({ digest }) => digest === blob.id) &&
        this.#mustStay(manifest, at),
    );
  }

  /**
   * The server died and was started again. Promises died with it, but what one of them held then, the new one
   * leaves alone for as long.
   */
  restarted(killedAt: number, startedAt: number): void {
    this.#locked.clear();
    for (const item of this.#items.values()) {
      item.promisedAt = this.isPromised(item, killedAt) ? startedAt : Number.NEGATIVE_INFINITY;
    }
  }
}
