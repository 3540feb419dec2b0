import type { Answer, Client, Sending } from "../crash/http.ts";
import { expectStatus } from "../crash/uploads.ts";
import type { Item, Value } from "./history.ts";

export const BYTES = { "Content-Type": "application/octet-stream" };
/** draft-ietf-httpbis-resumable-upload */
export const PART = { "Content-Type": "application/partial-upload", "Upload-Draft-Interop-Version": "6" };

export function pathOf({ kind, repository, id }: Item): string {
  if (kind === "session") return id;
  return `/v2/${repository}/${kind === "blob" ? "blobs" : "manifests"}/${id}`;
}

/** The request that asks what an item is. */
export function asking(item: Item): readonly [method: string, path: string, sending: Sending] {
  const isPart = item.kind === "session" && !item.id.startsWith("/v2/");
  return [isPart ? "HEAD" : "GET", pathOf(item), isPart ? { headers: PART } : {}];
}

/** What the answer to that says. */
export function valueIn({ kind }: Item, { status, headers }: Answer): Value {
  if (status === 404) return undefined;
  if (kind !== "session") return String(headers["docker-content-digest"]);
  // Of one that has become a blob, some are told so and others that it is unknown.
  if (headers["upload-complete"] === "?1") return undefined;
  const { "upload-offset": offset, range = "" } = headers;
  return offset === undefined ? Number(/^0-(\d+)$/.exec(range)?.[1]) + 1 : Number(offset);
}

export async function ask(client: Client, item: Item): Promise<{ value: Value; answer: Answer }> {
  const [method, path, sending] = asking(item);
  const answer = expectStatus(await client.send(method, path, sending), `${method} ${path}`, 200, 204, 404);
  return { value: valueIn(item, answer), answer };
}

/** The request that sends a part of what a session is to become; the last part ends it. */
export function sendingPart(
  { id, content }: Item,
  from: number,
  to: number,
): readonly [method: string, path: string, sending: Sending, status: number] {
  if (content === undefined) throw new Error("a session has a content");
  const body = content.bytes.subarray(from, to);
  const last = to === content.bytes.length;
  if (!id.startsWith("/v2/")) {
    const headers = { ...PART, "Upload-Offset": `${from}`, "Upload-Complete": last ? "?1" : "?0" };
    return ["PATCH", id, { headers, body }, 201];
  }
  const headers = { ...BYTES, "Content-Range": `${from}-${to - 1}` };
  if (!last) return ["PATCH", id, { headers, body }, 202];
  return [
    "PUT",
    `${id}${id.includes("?") ? "&" : "?"}digest=${content.digest}`,
    { headers: BYTES, body },
    201,
  ];
}
