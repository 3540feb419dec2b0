import type { Random } from "../tools/random.ts";
import type { Content } from "./contents.ts";
import { type Answer, type Client, locationOf } from "./http.ts";

/** The server has answered what it may not. */
export class Failure extends Error {}

export function expectStatus(answer: Answer, what: string, ...statuses: readonly number[]): Answer {
  if (statuses.includes(answer.status)) return answer;
  const body = answer.body.toString().slice(0, 300).replaceAll(/\s+/g, " ");
  throw new Failure(`${what} was answered with ${answer.status}: ${body}`);
}

/** A session of a blob's upload, as its client knows it. */
export interface Session {
  readonly repository: string;
  readonly content: Content;
  path: string;
  /** Bytes of which the client has been told that they are there. */
  acknowledged: number;
  /** Whether its last request has been sent. */
  finishing: boolean;
}

/** Ways to push a blob. Each resolves with the answer to the request that has made it one. */
export class Uploader {
  readonly #client: Client;
  readonly #random: Random;

  constructor(client: Client, random: Random) {
    this.#client = client;
    this.#random = random;
  }

  /** distribution-spec §Single POST */
  async post(repository: string, content: Content): Promise<Answer> {
    const path = `/v2/${repository}/blobs/uploads/?digest=${content.digest}`;
    return expectStatus(await this.#client.send("POST", path, { body: content.bytes }), path, 201);
  }

  /** distribution-spec §POST then PUT */
  async postPut(repository: string, content: Content): Promise<Answer> {
    return await this.finish(await this.open(repository, content));
  }

  /** distribution-spec §Pushing a blob in chunks */
  async chunked(session: Session): Promise<Answer> {
    const chunks = this.#random.int(1, 4);
    for (let left = chunks; left > 0; left -= 1) await this.append(session, left);
    return await this.finish(session);
  }

  /** `PUT /layer/{id}` */
  async putLayer({ digest, bytes }: Content): Promise<Answer> {
    const path = `/layer/${digest}`;
    return expectStatus(await this.#client.send("PUT", path, { body: bytes }), path, 200, 201);
  }

  /** `POST /layer` */
  async postLayer({ bytes }: Content): Promise<Answer> {
    return expectStatus(await this.#client.send("POST", "/layer", { body: bytes }), "POST /layer", 201);
  }

  async open(repository: string, content: Content): Promise<Session> {
    const path = `/v2/${repository}/blobs/uploads/`;
    const answer = expectStatus(await this.#client.send("POST", path), path, 202);
    return { repository, content, path: locationOf(answer), acknowledged: 0, finishing: false };
  }

  /** Sends about one of so many parts of what is left. */
  async append(session: Session, parts: number): Promise<Answer> {
    const { bytes } = session.content;
    const from = session.acknowledged;
    const to = from + Math.ceil((bytes.length - from) / (parts + 1));
    const headers = { "Content-Range": `${from}-${to - 1}`, "Content-Type": "application/octet-stream" };
    const sent = await this.#client.send("PATCH", session.path, { headers, body: bytes.subarray(from, to) });
    const answer = expectStatus(sent, `PATCH of ${from}-${to - 1} to ${session.path}`, 202);
    session.path = locationOf(answer);
    session.acknowledged = to;
    return answer;
  }

  async finish(session: Session): Promise<Answer> {
    const { path, content, acknowledged } = session;
    session.finishing = true;
    const url = `${path}${path.includes("?") ? "&" : "?"}digest=${content.digest}`;
    const body = content.bytes.subarray(acknowledged);
    return expectStatus(await this.#client.send("PUT", url, { body }), `PUT to ${path}`, 201);
  }
}
