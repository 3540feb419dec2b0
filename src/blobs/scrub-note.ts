import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { isDigest } from "../core/digest.ts";
import { isMissing, remove, toStoreError } from "./disk.ts";
import { scrubNotePath } from "./paths.ts";
import type { ScrubNote, ScrubNotes } from "./port.ts";

/**
 * Keeps the note in a file of the data directory. It is not synced: whoever loses one reads some blobs once more, or
 * a pass earlier than planned.
 */
export function fileScrubNotes(directory: string): ScrubNotes {
  const path = scrubNotePath(directory);
  return {
    read: async () => parse(await readFile(path, "utf8").catch(nothing)),
    write: async (note) => {
      // Another process may be writing one, too.
      const written = `${path}.${randomBytes(4).toString("hex")}.new`;
      try {
        await writeFile(written, `${JSON.stringify(note)}\n`);
        await rename(written, path);
      } catch (error) {
        await remove(written).catch(() => undefined);
        throw toStoreError(error);
      }
    },
  };
}

/** What cannot be read says nothing: everything is read from the beginning. */
function parse(text: string | undefined): ScrubNote {
  try {
    const { after, finishedAt } = JSON.parse(text ?? "{}");
    return {
      ...(typeof after === "string" && isDigest(after) ? { after } : {}),
      ...(Number.isNaN(Date.parse(finishedAt)) ? {} : { finishedAt }),
    };
  } catch {
    return {};
  }
}

function nothing(error: unknown): undefined {
  if (!isMissing(error)) fail(error);
}

function fail(error: unknown): never {
  throw toStoreError(error);
}
