import { setTimeout as delay } from "node:timers/promises";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import type { Random } from "../tools/random.ts";
import { type Content, contentOf, type Image } from "./contents.ts";
import type { Client } from "./http.ts";
import { expectStatus, Failure, Uploader } from "./uploads.ts";

/** What all clients of a soak share. */
export interface SoakWorld {
  readonly repositories: readonly string[];
  readonly images: readonly Image[];
  readonly tags: readonly string[];
  /** Milliseconds for which whoever was told that something is here can rely on it. */
  readonly grace: number;
  readonly counts: SoakCounts;
}

export interface SoakCounts {
  pushed: number;
  /** Blobs that were there and were not sent. */
  skipped: number;
  sent: number;
  pulled: number;
  deleted: number;
  /** Clients that took longer than the grace period, which no server has promised anything beyond. */
  late: number;
}

// Milliseconds between two images, so that what one client needs gets old while others are at work.
const PAUSE = 300;
// Milliseconds that a pull waits for its next blob: layers are large, and meanwhile tags move on.
const SLOW = 400;

/** Pushes images as container engines do: ask for each blob, send those that are missing, then the manifest. */
export class Pusher {
  readonly #world: SoakWorld;
  readonly #client: Client;
  readonly #random: Random;
  readonly #uploader: Uploader;

  constructor(world: SoakWorld, client: Client, random: Random) {
    this.#world = world;
    this.#client = client;
    this.#random = random;
    this.#uploader = new Uploader(client, random);
  }

  /** @throws Failure, Cut */
  async step(): Promise<void> {
    const { repositories, images, tags } = this.#world;
    const repository = this.#random.pick(repositories);
    const tag = this.#random.pick(tags);
    const image = this.#random.pick(images);
    if (this.#random.chance(0.1))
      await this.#delete(repository, this.#random.chance(0.5) ? tag : image.digest);
    else await this.#push(repository, image, tag);
    await delay(this.#random.int(0, PAUSE));
  }

  async #push(repository: string, image: Image, tag: string): Promise<void> {
    const { counts, grace } = this.#world;
    const promised: number[] = [];
    for (const blob of image.blobs) promised.push(await this.#bring(repository, blob));
    const path = `/v2/${repository}/manifests/${tag}`;
    const headers = { "Content-Type": MEDIA_TYPE.manifest };
    const answer = await this.#client.send("PUT", path, { headers, body: image.bytes });
    const isLate = answer.receivedAt > Math.min(...promised) + grace;
    if (answer.status !== 201 && isLate) counts.late += 1;
    else
      expectStatus(
        answer,
        `PUT ${path}, ${answer.receivedAt - Math.min(...promised)} ms after its blobs,`,
        201,
      );
    counts.pushed += 1;
  }

  /** Sees to it that a blob is there; since when it is promised. */
  async #bring(repository: string, blob: Content): Promise<number> {
    const { counts } = this.#world;
    const path = `/v2/${repository}/blobs/${blob.digest}`;
    const asked = expectStatus(await this.#client.send("HEAD", path), `HEAD ${path}`, 200, 404);
    if (asked.status === 200) {
      counts.skipped += 1;
      return asked.sentAt;
    }
    counts.sent += 1;
    return await this.#send(repository, blob);
  }

  async #send(repository: string, blob: Content): Promise<number> {
    const way = this.#random.int(0, 4);
    if (way === 0) return (await this.#uploader.post(repository, blob)).sentAt;
    if (way === 1) return (await this.#uploader.postPut(repository, blob)).sentAt;
    if (way === 2) {
      return (await this.#uploader.chunked(await this.#uploader.open(repository, blob))).sentAt;
    }
    const from = this.#random.pick(this.#world.repositories);
    const path = `/v2/${repository}/blobs/uploads/?mount=${blob.digest}&from=${from}`;
    const mounted = expectStatus(await this.#client.send("POST", path), path, 201, 202);
    return mounted.status === 201 ? mounted.sentAt : (await this.#uploader.post(repository, blob)).sentAt;
  }

  async #delete(repository: string, reference: string): Promise<void> {
    const path = `/v2/${repository}/manifests/${reference}`;
    const answer = expectStatus(await this.#client.send("DELETE", path), `DELETE ${path}`, 202, 404);
    if (answer.status === 202) this.#world.counts.deleted += 1;
  }
}

/** Pulls whatever a tag is at, whole, and looks at every byte. */
export class Puller {
  readonly #world: SoakWorld;
  readonly #client: Client;
  readonly #random: Random;
  readonly #images: ReadonlyMap<string, Image>;

  constructor(world: SoakWorld, client: Client, random: Random) {
    this.#world = world;
    this.#client = client;
    this.#random = random;
    this.#images = new Map(world.images.map((image) => [image.digest, image]));
  }

  /** @throws Failure, Cut */
  async step(): Promise<void> {
    const repository = this.#random.pick(this.#world.repositories);
    const path = `/v2/${repository}/manifests/${this.#random.pick(this.#world.tags)}`;
    const answer = expectStatus(await this.#client.send("GET", path), `GET ${path}`, 200, 404);
    if (answer.status === 200) await this.#pull(repository, answer.body, answer.sentAt);
    await delay(this.#random.int(0, PAUSE));
  }

  async #pull(repository: string, manifest: Buffer, since: number): Promise<void> {
    const { counts, grace } = this.#world;
    const { digest } = contentOf(manifest);
    const image = this.#images.get(digest);
    if (image === undefined) throw new Failure(`nobody has pushed ${digest}`);
    for (const blob of image.blobs) {
      await delay(this.#random.int(0, SLOW));
      const path = `/v2/${repository}/blobs/${blob.digest}`;
      const answer = await this.#client.send("GET", path);
      const took = answer.receivedAt - since;
      if (answer.status === 404 && took > grace) {
        counts.late += 1;
        return;
      }
      expectStatus(answer, `GET ${path}, ${took} ms after its manifest,`, 200);
      if (contentOf(answer.body).digest !== blob.digest) throw new Failure(`${path} has other bytes`);
    }
    counts.pulled += 1;
  }
}
