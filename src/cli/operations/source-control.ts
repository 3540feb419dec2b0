import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { parseDigest } from "../../core/digest.ts";
import { parseRepositoryName, parseTag } from "../../core/name.ts";
import type { Source } from "../../create.ts";

/* How a running server gives what it has to whoever copies it: the server's side of `remote-source.ts`. */

/** What is asked of an index: the method's name, and what it is given. */
export type Asked = Readonly<Record<string, unknown>>;

/** @throws LayerdError for what is no name or digest */
export async function answerSource(source: Source, { question, ...asked }: Asked): Promise<unknown> {
  const repository = () => parseRepositoryName(String(asked.repository));
  const digest = () => parseDigest(String(asked.digest));
  const page = asked.page as never;
  switch (question) {
    case "repositories":
      return await source.repositories(page);
    case "intact":
      return await source.intact(repository());
    case "blobs":
      return await source.blobs(repository(), page);
    case "manifests":
      return await source.manifests(repository(), page);
    case "tags":
      return await source.tags(repository(), page);
    case "blob":
      return await source.blob(repository(), digest());
    case "manifest":
      return await source.manifest(repository(), digest());
    case "tag":
      return await source.tag(repository(), parseTag(String(asked.tag)));
    default:
      throw new Error(`this server knows no question ${question}: is it of another version?`);
  }
}

/** Answers with the bytes that are stored under a digest; breaks off when they cannot be read to the end. */
export async function sendBytes(source: Source, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { digest } = JSON.parse(await text(req));
  const bytes = await source.bytes(parseDigest(String(digest)));
  if (bytes === undefined) {
    res.writeHead(404).end();
    return;
  }
  res.writeHead(200, { "Content-Length": bytes.size });
  try {
    await pipeline(bytes.stream, res);
  } catch {
    // Whoever asked has gone, or sees that the bytes are not all.
    res.destroy();
  } finally {
    await bytes.close();
  }
}
