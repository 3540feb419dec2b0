import { type Digest, isDigest } from "../core/digest.ts";
import { parseTag, type Tag } from "../core/name.ts";
import type { Disk } from "./disk.ts";
import { decodeLine, unseal } from "./line.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { RepositoryPaths } from "./paths.ts";
import type { RecordedChange, Remains } from "./port.ts";

/*
 * A damaged line is not relied upon. But most of it is mostly as it was, and a digest that it has, and under which
 * there is something, was in it: no damage makes one out of others. The words before it say what it was of.
 */
const MANIFESTS = /"manifest":\{(?:"position":\d+,)?"digest":"([^"]+)"/g;
const BLOBS = /"(?:type":"blobLinked",|blob":\{"position":\d+,)"digest":"([^"]+)"/g;
const TAGS = /"(?:type":"tagSet",|tag":\{)"tag":"([^"]+)","digest":"([^"]+)"/g;

/** What damaged lines have put, and no later line that can be read has taken away. */
export async function readRemains(disk: Disk, paths: RepositoryPaths): Promise<Omit<Remains, "damaged">> {
  const remains = new Gathering();
  const snapshot = new LineSplitter((line) => remains.takeElement(line));
  await disk.read(paths.snapshot, (chunk) => snapshot.push(chunk));
  for (const path of [paths.oldJournal, paths.journal]) {
    const journal = new LineSplitter((line) => remains.takeLine(line));
    await disk.read(path, (chunk) => journal.push(chunk));
  }
  const tags = [...remains.tags].map(([tag, digest]) => ({ tag, digest }));
  return { manifests: [...remains.manifests], blobs: [...remains.blobs], tags };
}

const COMMA = 0x2c;

class Gathering {
  readonly manifests = new Set<Digest>();
  readonly blobs = new Set<Digest>();
  readonly tags = new Map<Tag, Digest>();

  /** Of a snapshot. */
  takeElement(line: Buffer): void {
    const element = line.at(-1) === COMMA ? line.subarray(0, -1) : line;
    if (line.length > 1 && unseal(element) === undefined) this.#gather(line);
  }

  /** Of a journal. */
  takeLine(bytes: Buffer): void {
    const line = decodeLine(bytes);
    if (line === undefined) this.#gather(bytes);
    for (const change of line?.changes ?? []) this.#follow(change);
  }

  #gather(bytes: Buffer): void {
    const text = bytes.toString("latin1");
    for (const [, digest = ""] of text.matchAll(MANIFESTS)) if (isDigest(digest)) this.manifests.add(digest);
    for (const [, digest = ""] of text.matchAll(BLOBS)) if (isDigest(digest)) this.blobs.add(digest);
    for (const [, name = "", digest = ""] of text.matchAll(TAGS)) {
      const tag = tagFrom(name);
      if (tag !== undefined && isDigest(digest)) this.tags.set(tag, digest);
    }
  }

  #follow(change: RecordedChange): void {
    if (change.type === "blobUnlinked") this.blobs.delete(change.digest);
    if (change.type === "tagSet" || change.type === "tagDeleted") this.tags.delete(change.tag);
    if (change.type !== "manifestDeleted") return;
    this.manifests.delete(change.digest);
    for (const [tag, digest] of this.tags) if (digest === change.digest) this.tags.delete(tag);
  }
}

function tagFrom(text: string): Tag | undefined {
  try {
    return parseTag(text);
  } catch {
    return undefined;
  }
}
