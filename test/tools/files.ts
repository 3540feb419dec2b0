import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";

/** What lies below `blobs/` of a data directory. */
export const storedFiles = {
  /** Files that are not what their name says. */
  async wrong(data: string): Promise<string[]> {
    const entries = await readdir(join(data, "blobs"), { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const judged = await Promise.all(paths.map(async (path) => ({ path, right: await isRight(path) })));
    return judged.filter(({ right }) => !right).map(({ path }) => path);
  },
};

async function isRight(path: string): Promise<boolean> {
  const algorithm = path.includes("/sha512/") ? "sha512" : "sha256";
  return (
    createHash(algorithm)
      .update(await readFile(path))
      .digest("hex") === basename(path)
  );
}
