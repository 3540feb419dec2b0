import { text } from "node:stream/consumers";
import type { Source, SourceBytes } from "../../create.ts";
import { StartError } from "../failures.ts";
import { ask, post } from "./ask.ts";

/** A store that a running server has open, read through the server's control socket. */
export function remoteSource(socketPath: string): Source {
  const question = async (name: keyof Source, asked: object) => {
    const answer = await ask(socketPath, "/source", { question: name, ...asked }, () => undefined);
    return (answer ?? undefined) as never;
  };
  return {
    repositories: (page) => question("repositories", { page }),
    intact: (repository) => question("intact", { repository }),
    blobs: (repository, page) => question("blobs", { repository, page }),
    manifests: (repository, page) => question("manifests", { repository, page }),
    tags: (repository, page) => question("tags", { repository, page }),
    blob: (repository, digest) => question("blob", { repository, digest }),
    manifest: (repository, digest) => question("manifest", { repository, digest }),
    tag: (repository, tag) => question("tag", { repository, tag }),
    bytes: (digest) => remoteBytes(socketPath, digest),
  };
}

async function remoteBytes(socketPath: string, digest: string): Promise<SourceBytes | undefined> {
  const res = await post(socketPath, "/bytes", { digest });
  // Whoever reads is told; when nobody does any more, that it was broken off is no news.
  res.on("error", () => undefined);
  const size = Number(res.headers["content-length"]);
  if (res.statusCode === 200 && Number.isSafeInteger(size)) {
    return { size, stream: res, close: () => void res.destroy() };
  }
  const said = await text(res);
  if (res.statusCode === 404) return undefined;
  throw new StartError(said === "" ? "the server does not give the bytes" : messageOf(said));
}

function messageOf(line: string): string {
  return JSON.parse(line).error.message;
}
