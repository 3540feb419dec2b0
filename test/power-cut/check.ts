import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Koa from "koa";
import { pino } from "pino";
import { algorithmOf, type Digest, digestOf } from "../../src/core/digest.ts";
import { createLayerd } from "../../src/create.ts";
import { type Content, contentOf } from "../crash/contents.ts";
import { Client } from "../crash/http.ts";
import { expectStatus, Failure } from "../crash/uploads.ts";
import { each, filesIn } from "../crash/verify.ts";
import { eventually } from "../tools/eventually.ts";
import { launchServer } from "../tools/process.ts";
import type { History, Item, Value } from "./history.ts";
import { ask, pathOf, sendingPart } from "./items.ts";
import { LIBRARY } from "./workload.ts";

/** What a power cut has left in a directory, and where in the trace it came. */
export interface Left {
  readonly data: string;
  readonly history: History;
  readonly line: number;
  /** What had been damaged before, and may be complained of. */
  readonly damaged: string | undefined;
}

// What is left is looked at, and no power goes here: that nothing is synced makes it three times as fast.
const SETTINGS = { durability: "os", gc: false, gcGrace: 1, trashTtl: 1, scrubRate: 0, minFree: 0 } as const;

// What the index says of a last line that nobody was told of.
const TORN = "a crash has cut a write short";

/** A server in this process starts on it, everything told is there, and when all of that is deleted nothing is left. */
export async function checkWithin(left: Left): Promise<void> {
  const said: string[] = [];
  const log = pino({ level: "warn" }, { write: (line) => void said.push(line) });
  const layerd = await createLayerd({ data: left.data, ...SETTINGS }, { passUnknown: false, log });
  const app = new Koa().use(layerd.middleware);
  const server = createServer(app.callback());
  layerd.configureServer(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    await checkEverything(client, left);
    await deleteAll(client, left);
    await layerd.registry.uploads.sweep(new Date(Date.now() + 2 * layerd.registry.uploads.ttl));
    const files = async () =>
      (await Promise.all(["blobs", "uploads", "trash"].map((path) => filesIn(left.data, path)))).flat();
    await eventually(async () => {
      await layerd.registry.collector.collect({ nothingPromised: true });
      return (await files()).length === 0;
    }).catch(async () => {
      throw new Failure(`left when everything was deleted: ${(await files()).join(", ")}`);
    });
  } finally {
    client.close();
    await layerd.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  const complaints = said.filter(
    (line) => !line.includes(TORN) && (left.damaged === undefined || !line.includes(left.damaged)),
  );
  if (complaints.length > 0) throw new Failure(`the server has logged: ${complaints.join("")}`);
}

/** The same in a process of its own, as far as everything told is there. */
export async function checkInProcess(left: Left): Promise<void> {
  const server = launchServer(["--data", left.data]);
  try {
    const client = new Client(await server.announced);
    await checkEverything(client, left).finally(() => client.close());
  } finally {
    await server.kill();
  }
}

async function checkEverything(client: Client, left: Left): Promise<void> {
  const { history } = left;
  await each(history.all("blob", "manifest", "tag"), (item) => checkItem(client, left, item));
  await each(history.all("manifest"), (manifest) => checkWhole(client, manifest));
  await each(history.all("session"), (session) => checkSession(client, left, session));
}

async function checkItem(client: Client, { history, line }: Left, item: Item): Promise<void> {
  const { value, answer } = await ask(client, item);
  const allowed = history.allowed(item, line);
  if (!allowed.includes(value))
    throw new Failure(`${named(item)} is ${value}, and was ${allowed.join(" or ")}`);
  if (value === undefined) return;
  const actual = digestOf(answer.body, algorithmOf(value as Digest));
  if (actual !== value) throw new Failure(`${named(item)}: ${actual} came, ${value} was announced`);
}

/** A manifest that is there has its blobs. */
async function checkWhole(client: Client, manifest: Item): Promise<void> {
  if ((await ask(client, manifest)).value === undefined) return;
  for (const { digest } of manifest.blobs) {
    const path = `/v2/${manifest.repository}/blobs/${digest}`;
    expectStatus(await client.send("HEAD", path), `${named(manifest)} is there; HEAD ${path}`, 200);
  }
}

/** No fewer bytes than were told; that they are the right ones shows when the rest is sent. */
async function checkSession(client: Client, { history, line }: Left, session: Item): Promise<void> {
  const { value } = await ask(client, session);
  const allowed = history.allowed(session, line);
  const content = session.content as Content;
  if (value === undefined) return await checkGone(client, session, allowed);
  const least = Math.min(...allowed.map((one) => Number(one ?? 0)));
  if (Number(value) < least || Number(value) > content.bytes.length)
    throw new Failure(`${named(session)} has ${value} bytes, and had ${allowed.join(" or ")}`);
  // An upload that is empty looks like one of a byte.
  if (value === 1) return;
  const [method, path, sending, status] = sendingPart(session, Number(value), content.bytes.length);
  expectStatus(await client.send(method, path, sending), `finishing ${named(session)} at ${value}`, status);
}

/** It may have become a blob; it may have held nothing worth keeping; it may have been cancelled. */
async function checkGone(client: Client, session: Item, allowed: readonly Value[]): Promise<void> {
  if (!allowed.includes(undefined))
    throw new Failure(`${named(session)} is gone, and had ${allowed.join(" or ")}`);
  const wasFinished = session.entries.some(
    ({ value, request }) => value === undefined && request !== undefined,
  );
  if (!wasFinished || allowed[0] === undefined) return;
  const path = `/v2/${session.repository}/blobs/${session.content?.digest}`;
  expectStatus(await client.send("HEAD", path), `${named(session)} is gone; HEAD ${path}`, 200);
}

async function deleteAll(client: Client, { history }: Left): Promise<void> {
  // Where there is no repository at all, nothing is collected: it may be the index that is missing.
  const { digest, bytes } = contentOf(Buffer.from("something"));
  const path = `/v2/${LIBRARY}/blobs/uploads/?digest=${digest}`;
  expectStatus(await client.send("POST", path, { body: bytes }), path, 201);
  const remove = async (path: string) =>
    void expectStatus(await client.send("DELETE", path), `DELETE ${path}`, 202, 404);
  for (const kind of ["tag", "manifest", "blob"] as const)
    await each(history.all(kind), (item) => remove(pathOf(item)));
  await remove(`/v2/${LIBRARY}/blobs/${digest}`);
  // What the sessions have become when they were finished above.
  await each(history.all("session"), ({ repository, content }) =>
    remove(`/v2/${repository}/blobs/${content?.digest}`),
  );
}

function named({ kind, repository, id }: Item): string {
  return `the ${kind} ${id} of ${repository}`;
}
