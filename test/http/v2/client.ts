import { createHash } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import type { StoreOptions } from "../../../src/config.ts";
import { json } from "../../tools/json.ts";
import { startServer, type TestServer } from "../../tools/server.ts";

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const INDEX = "application/vnd.oci.image.index.v1+json";
export const CONFIG = "application/vnd.oci.image.config.v1+json";
export const LAYER = "application/vnd.oci.image.layer.v1.tar";

type Content = string | Buffer;

export const sha256 = (content: Content) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
export const sha512 = (content: Content) => `sha512:${createHash("sha512").update(content).digest("hex")}`;

/** A digest of nothing that is stored. */
export const NOWHERE = sha256("stored nowhere");

export function describe(mediaType: string, content: Content) {
  return { mediaType, digest: sha256(content), size: Buffer.byteLength(content) };
}

/** The least that an image config may be (image-spec config.md §Properties). */
export const IMAGE_CONFIG = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"}}';

/** An image manifest, as the text to be pushed, whose blobs are `content` and `IMAGE_CONFIG`. */
export function imageOf(content: Content, more: object = {}): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: describe(CONFIG, IMAGE_CONFIG),
    layers: [describe(LAYER, content)],
    ...more,
  });
}

export function indexOf(manifests: readonly string[], more: object = {}): string {
  const described = manifests.map((manifest) => describe(MANIFEST, manifest));
  return JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: described, ...more });
}

/** Talks to one repository of a registry, as one user. */
export class Client {
  readonly url: string;
  readonly name: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, name = "team/app", headers: Readonly<Record<string, string>> = {}) {
    this.url = url;
    this.name = name;
    this.#headers = headers;
  }

  /** @param path below the repository, such as `tags/list`. */
  send(method: string, path: string, body?: Content, headers: object = {}): Promise<Response> {
    return this.follow(method, `/v2/${this.name}/${path}`, body, headers);
  }

  /** @param location as a header named it. */
  follow(method: string, location: string | null, body?: Content, headers: object = {}): Promise<Response> {
    const init = { method, headers: { ...this.#headers, ...headers } };
    const target = new URL(location ?? "/no/location", this.url);
    return fetch(target, body === undefined ? init : { ...init, body });
  }

  /** Opens an upload session, and says where it is. */
  async open(query = ""): Promise<string> {
    const opened = await this.send("POST", `blobs/uploads/${query}`);
    return opened.headers.get("location") ?? "";
  }

  async pushBlob(content: Content, digest = sha256(content)): Promise<string> {
    const pushed = await this.send("POST", `blobs/uploads/?digest=${digest}`, content);
    if (pushed.status !== 201) throw new Error(`the blob was not taken: ${await pushed.text()}`);
    return digest;
  }

  /** @param reference a tag or a digest, maybe with a query. */
  putManifest(reference: string, manifest: Content, headers: object = {}): Promise<Response> {
    return this.send("PUT", `manifests/${reference}`, manifest, { "Content-Type": MANIFEST, ...headers });
  }

  /** Pushes an image of one layer under its digest or a tag; resolves with the manifest's text. */
  async pushImage(content: Content, options: { tag?: string; more?: object } = {}): Promise<string> {
    for (const blob of [content, IMAGE_CONFIG]) await this.pushBlob(blob);
    const manifest = imageOf(content, options.more);
    const pushed = await this.putManifest(options.tag ?? sha256(manifest), manifest);
    if (pushed.status !== 201) throw new Error(`the manifest was not taken: ${await pushed.text()}`);
    return manifest;
  }

  async status(method: string, path: string): Promise<number> {
    const answer = await this.send(method, path);
    await answer.arrayBuffer();
    return answer.status;
  }
}

export const DRIVERS: Readonly<Record<string, StoreOptions>> = { memory: { memory: true }, disk: {} };

/** The same test for a store in memory and for one on the disk. */
export function onEachDriver(
  title: string,
  run: (t: ExecutionContext, client: Client, server: TestServer) => Promise<void>,
  config: StoreOptions = {},
): void {
  for (const [driver, options] of Object.entries(DRIVERS)) {
    test(`${title} (${driver})`, async (t) => {
      const server = await startServer(t, { ...options, ...config });
      await run(t, new Client(server.url), server);
    });
  }
}

/** distribution-spec §Error Codes: what `code` MUST be one of. */
const CODES = [
  ...[
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
  ],
  ...["MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED"],
  ...["DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"],
];

interface Refusal {
  readonly code: string;
  readonly message: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it
  readonly detail?: any;
}

/** Asserts that an answer is a refusal in the specification's shape, and returns its errors, at least one. */
export async function refused(
  t: ExecutionContext,
  answer: Response,
  status: number,
  code: string,
): Promise<readonly [Refusal, ...Refusal[]]> {
  t.is(answer.status, status);
  t.is(answer.headers.get("content-type"), "application/json");
  const { errors } = await json(answer);
  for (const error of errors) {
    t.true(CODES.includes(error.code), error.code);
    t.is(typeof error.message, "string");
  }
  t.is(errors[0].code, code);
  return errors;
}

/** Pages of a list, found by following the `Link` of each. */
export async function allPages(client: Client, path: string): Promise<Response[]> {
  const pages: Response[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const page: Response = await client.follow("GET", next);
    pages.push(page);
    next = /^<([^>]+)>; rel="next"$/.exec(page.headers.get("link") ?? "")?.[1];
  }
  return pages;
}

// Of each answer, or of the connection: fetch closes one that a HEAD was sent on.
const FLEETING = ["connection", "date", "keep-alive", "x-request-id"];

/** The headers of an answer, as far as they are about what it answers with. */
export function fieldsOf(answer: Response): [string, string][] {
  return [...answer.headers].filter(([name]) => !FLEETING.includes(name));
}
