import { setTimeout as delay } from "node:timers/promises";
import type { DigestAlgorithm } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import { type Content, contentOf, makeImage } from "../crash/contents.ts";
import { type Answer, Client, locationOf, type Sending } from "../crash/http.ts";
import { expectStatus } from "../crash/uploads.ts";
import type { Random } from "../tools/random.ts";
import { type History, type Item, latest, type Value } from "./history.ts";
import { asking, BYTES, PART, pathOf, sendingPart, valueIn } from "./items.ts";
import type { RecordedServer } from "./recorded.ts";

/** The repository that `/layer` shows: what is pushed there stays. */
export const LIBRARY = "library";
export const TEAM = "team/app";

type Changes = readonly (readonly [Item, Value])[];

/** Clients of a server that is recorded: each request has a name, and what it is about is written down. */
export class Workload {
  readonly #server: RecordedServer;
  readonly #client: Client;
  readonly #history: History;
  readonly #random: Random;
  readonly #run: string;
  #requests = 0;

  /** @param about.run distinguishes its requests from those to other servers. */
  constructor(server: RecordedServer, about: { history: History; random: Random; run: string }) {
    this.#server = server;
    this.#client = new Client(server.url);
    this.#history = about.history;
    this.#random = about.random;
    this.#run = about.run;
  }

  close(): void {
    this.#client.close();
  }

  /** Everything that a store is asked for, several things at a time, and then a collection. */
  async everything(): Promise<void> {
    await Promise.all([this.#blobs(), this.#sessions(), this.#parts(), this.#images(), this.#wholeLayer()]);
    await this.collect();
    await this.#bringBack();
  }

  /** Begins uploads of every kind; the server is killed meanwhile. */
  async begin(): Promise<void> {
    await Promise.allSettled([this.#blobs(), this.#sessions(), this.#parts(), this.#images()]);
  }

  /** Asks for everything: whoever was told relies on it. First for uploads, which may have become blobs. */
  async look(): Promise<void> {
    for (const session of this.#history.all("session")) {
      const { value, request } = await this.#ask(session);
      // That an upload is gone is not promised beyond the process: it would be forgotten in time.
      session.entries.push({ value, request: value === undefined ? undefined : request });
    }
    for (const item of this.#history.all("blob", "manifest", "tag")) item.entries.push(await this.#ask(item));
  }

  /** Ends an upload that somebody has left, and moves everything on. */
  async goOn(): Promise<void> {
    const left = this.#history.all("session").find((one) => Number(latest(one) ?? 0) > 1);
    if (left !== undefined) await this.#finish(left);
    await Promise.all([this.#images(), this.#blobs()]);
  }

  /** Finds what is damaged, and pushes it again. */
  async heal({ repository, content }: Item): Promise<void> {
    await this.#server.operate("/scrub");
    await this.#push(repository, content as Content);
  }

  /** What nobody needs may be gone from now on. */
  async collect(): Promise<void> {
    const here = this.#history.all("manifest").filter((one) => latest(one) !== undefined);
    const needed = new Set(here.flatMap(({ blobs }) => blobs.map(({ digest }) => digest)));
    const free = this.#history.all("blob").filter((one) => one.repository !== LIBRARY && !needed.has(one.id));
    for (const { entries } of free) entries.push({ value: undefined, request: undefined });
    // Promises hold for a millisecond here.
    await delay(10);
    await this.#server.operate("/gc");
  }

  async #blobs(): Promise<void> {
    for (const size of [1, 3000, 200_000]) {
      for (const repository of [LIBRARY, TEAM]) await this.#push(repository, this.#content(size));
    }
    await this.#push(LIBRARY, this.#content(2000, "sha512"));
    const goes = this.#content(5000);
    await this.#push(LIBRARY, goes);
    await this.#delete(this.#blob(LIBRARY, goes));
  }

  /** distribution-spec §Pushing a blob in chunks: one upload that ends, one that is left, one that is cancelled. */
  async #sessions(): Promise<void> {
    const [whole, left, cancelled] = [await this.#open(), await this.#open(), await this.#open()];
    for (const to of [80_000, 80_001, 170_000]) await this.#append(whole, to);
    await this.#finish(whole);
    for (const to of [100_000, 120_000]) await this.#append(left, to);
    await this.#append(cancelled, 70_000);
    cancelled.entries.push({ value: undefined, request: undefined });
    await this.#send("DELETE", cancelled.id, {}, 204);
  }

  /** draft-ietf-httpbis-resumable-upload: one upload that ends, one that is left. */
  async #parts(): Promise<void> {
    for (const ends of [true, false]) {
      const content = this.#content(250_000);
      const sending = {
        headers: { ...PART, "Upload-Complete": "?0" },
        body: content.bytes.subarray(0, 90_000),
      };
      const { answer, request } = await this.#send("POST", "/layer", sending, 201);
      const session = this.#history.item("session", LIBRARY, locationOf(answer), { content });
      session.entries.push({ value: 90_000, request });
      await this.#append(session, 170_000);
      if (ends) await this.#finish(session);
    }
  }

  async #wholeLayer(): Promise<void> {
    const content = this.#content(150_000);
    const blob = this.#blob(LIBRARY, content);
    await this.#change(
      [[blob, content.digest]],
      ["PUT", `/layer/${content.digest}`, { body: content.bytes }, 201],
    );
  }

  /** Images with a tag that moves, an index of two, a referrer of one; a tag and an image go again. */
  async #images(): Promise<void> {
    const tag = `moving-${this.#random.int(0, 1_000_000)}`;
    const [first, second, third] = [
      await this.#image(tag, 1000),
      await this.#image(tag, 120_000),
      await this.#image(tag, 4000),
    ];
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [first, second].map(describe) };
    await this.#putManifest(contentOf(json(index)), {
      blobs: [],
      tag: `${tag}-both`,
      type: MEDIA_TYPE.index,
    });
    const config = this.#content(200);
    await this.#push(TEAM, config);
    const referrer = { ...JSON.parse(makeImage([config], tag).bytes.toString()), subject: describe(first) };
    await this.#putManifest(contentOf(json(referrer)), { blobs: [config] });
    await this.#delete(this.#history.item("tag", TEAM, `${tag}-both`));
    await this.#delete(
      this.#history.item("manifest", TEAM, third.digest),
      this.#history.item("tag", TEAM, tag),
    );
  }

  async #image(tag: string, size: number): Promise<Content> {
    const blobs = [this.#content(300), this.#content(size)];
    for (const blob of blobs) await this.#push(TEAM, blob);
    const image = makeImage(blobs, tag);
    await this.#putManifest(image, { blobs, tag });
    return image;
  }

  /** Of what was collected, some is pushed again and some is restored. */
  async #bringBack(): Promise<void> {
    const collected = this.#history
      .all("blob")
      .filter((one) => one.repository === TEAM && latest(one) === undefined);
    for (const { content } of collected.slice(0, 2)) await this.#push(TEAM, content as Content);
    for (const blob of collected.slice(2, 4)) {
      blob.entries.push({ value: blob.id, request: undefined });
      await this.#server.operate("/restore", { digest: blob.id, repository: TEAM, tags: [] });
      await this.#change([[blob, blob.id]], ["GET", pathOf(blob), {}, 200]);
    }
  }

  #content(size: number, algorithm: DigestAlgorithm = "sha256"): Content {
    return contentOf(this.#random.bytes(size), algorithm);
  }

  #blob(repository: string, content: Content): Item {
    return this.#history.item("blob", repository, content.digest, { content });
  }

  async #push(repository: string, content: Content): Promise<void> {
    const path = `/v2/${repository}/blobs/uploads/?digest=${content.digest}`;
    const sending = { headers: BYTES, body: content.bytes };
    await this.#change([[this.#blob(repository, content), content.digest]], ["POST", path, sending, 201]);
  }

  async #putManifest(
    content: Content,
    about: { readonly blobs: readonly Content[]; readonly tag?: string; readonly type?: string },
  ): Promise<void> {
    const { blobs, tag, type = MEDIA_TYPE.manifest } = about;
    const items = [this.#history.item("manifest", TEAM, content.digest, { content, blobs })];
    if (tag !== undefined) items.push(this.#history.item("tag", TEAM, tag));
    const path = `/v2/${TEAM}/manifests/${tag ?? content.digest}`;
    const sending = { headers: { "Content-Type": type }, body: content.bytes };
    await this.#change(
      items.map((item) => [item, content.digest]),
      ["PUT", path, sending, 201],
    );
  }

  /** What goes with an item goes in the same step. */
  async #delete(item: Item, ...others: readonly Item[]): Promise<void> {
    await this.#change(
      [item, ...others].map((one) => [one, undefined]),
      ["DELETE", pathOf(item), {}, 202],
    );
  }

  async #open(): Promise<Item> {
    const { answer } = await this.#send("POST", `/v2/${LIBRARY}/blobs/uploads/`, {}, 202);
    return this.#history.item("session", LIBRARY, locationOf(answer), { content: this.#content(200_000) });
  }

  async #append(session: Item, to: number): Promise<void> {
    await this.#change([[session, to]], sendingPart(session, Number(latest(session) ?? 0), to));
  }

  async #finish(session: Item): Promise<void> {
    const content = session.content as Content;
    const part = sendingPart(session, Number(latest(session)), content.bytes.length);
    await this.#change(
      [
        [session, undefined],
        [this.#blob(session.repository, content), content.digest],
      ],
      part,
    );
  }

  async #ask(item: Item): Promise<{ value: Value; request: string }> {
    const { answer, request } = await this.#send(...asking(item), 200, 204, 404);
    return { value: valueIn(item, answer), request };
  }

  /** A request that makes changes: written down before it is sent, for it may get no answer. */
  async #change(
    changes: Changes,
    [method, path, sending, status]: ReturnType<typeof sendingPart>,
  ): Promise<void> {
    const request = this.#name();
    for (const [{ entries }, value] of changes) entries.push({ value, request });
    await this.#send(
      method,
      path,
      { ...sending, headers: { ...sending.headers, "X-Request-Id": request } },
      status,
    );
  }

  async #send(
    method: string,
    path: string,
    sending: Sending,
    ...statuses: readonly number[]
  ): Promise<{ answer: Answer; request: string }> {
    const request = String(sending.headers?.["X-Request-Id"] ?? this.#name());
    const headers = { ...sending.headers, "X-Request-Id": request };
    const answer = await this.#client.send(method, path, { ...sending, headers });
    return { answer: expectStatus(answer, `${method} ${path}`, ...statuses), request };
  }

  #name(): string {
    this.#requests += 1;
    return `${this.#run}-${this.#requests}`;
  }
}

function describe({ digest, bytes }: Content) {
  return { mediaType: MEDIA_TYPE.manifest, digest, size: bytes.length };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
