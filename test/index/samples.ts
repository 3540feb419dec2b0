import { mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type Digest, parseDigest } from "../../src/core/digest.ts";
import { parseRepositoryName, parseTag, type Tag } from "../../src/core/name.ts";
import type { Change, Requirement, Transaction } from "../../src/index/port.ts";

export const LIBRARY = parseRepositoryName("library");

export function digest(number: number): Digest {
  return parseDigest(`sha256:${number.toString(16).padStart(64, "0")}`);
}

export function tag(text: string): Tag {
  return parseTag(text);
}

export function link(blob: Digest, about: { size?: number; mediaType?: string; name?: string } = {}): Change {
  return { type: "blobLinked", digest: blob, size: 1, mediaType: "application/octet-stream", ...about };
}

export function put(
  manifest: Digest,
  blobs: readonly Digest[] = [],
  about: { manifests?: readonly Digest[]; artifactType?: string; subject?: Digest } = {},
): Change {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  return { type: "manifestPut", manifest: { digest: manifest, size: 2, mediaType, blobs, ...about } };
}

export function setTag(text: string, manifest: Digest): Change {
  return { type: "tagSet", tag: tag(text), digest: manifest };
}

export function transaction(changes: readonly Change[], requires: readonly Requirement[] = []): Transaction {
  return { who: "anonymous", changes, requires };
}

/** A directory of its own for a test, removed when the test ends. */
export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "layerd-index-"));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Files below a directory that this process has open; nothing where the kernel does not tell. */
export async function openFiles(directory: string): Promise<string[]> {
  const handles = await readdir("/proc/self/fd").catch(() => []);
  const paths = await Promise.all(handles.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")));
  return paths.filter((path) => path.startsWith(directory));
}

/** A log that can be asked what it was told. */
export class TestLog {
  readonly warnings: string[] = [];
  readonly errors: { message: string; file?: string; line?: number }[] = [];

  warn(_about: object, message: string): void {
    this.warnings.push(message);
  }

  error(about: object, message: string): void {
    this.errors.push({ message, ...about });
  }

  /** Where lines were found to be damaged, as `_journal.jsonl:3`. */
  get damage(): string[] {
    return this.errors.flatMap(({ file, line }) =>
      line === undefined ? [] : `${file?.split("/").at(-1)}:${line}`,
    );
  }
}
