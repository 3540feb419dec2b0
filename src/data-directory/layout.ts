import { open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { DataDirectoryError } from "./errors.ts";
import { explain, syncDirectory } from "./files.ts";

/** Which index knows what is in a data directory: its own files, or a database, by when its schema was made (ISO 8601). */
export type Owner = "files" | { readonly database: string };

/** `layout.json` */
interface Layout {
  readonly version: number;
  /** Whose the files are, if not those of an index beside them. */
  readonly database?: string;
}

const VERSION = 1;

/**
 * Sees to it that a directory has a layout that this version knows, and is its owner's: to another index everything in it
 * would be garbage. One that is nobody's is claimed; without an owner it stays as it is.
 * @param path of the directory, which nobody else settles meanwhile.
 * @throws DataDirectoryError
 */
export async function settleLayout(path: string, owner: Owner | undefined, sync: boolean): Promise<void> {
  const file = join(path, "layout.json");
  const layout = await readLayout(file);
  if (layout !== undefined && layout.version > VERSION) {
    throw new DataDirectoryError(
      `the data directory ${path} has layout ${layout.version}, written by a newer layerd: this one knows ${VERSION}`,
    );
  }
  const wrong = owner && (await mismatch(path, owner, layout));
  if (wrong !== undefined) throw new DataDirectoryError(`the data directory ${path} ${wrong}`);
  const database = typeof owner === "object" ? owner.database : layout?.database;
  if (layout !== undefined && layout.database === database) return;
  await writeLayout(path, file, { version: VERSION, ...(database !== undefined && { database }) }, sync);
}

/** Why another index must not have the directory. */
async function mismatch(path: string, owner: Owner, layout: Layout | undefined): Promise<string | undefined> {
  const theirs = layout?.database;
  const another = "or give another directory as data";
  if (owner === "files") {
    if (theirs === undefined) return undefined;
    return `belongs to a database whose schema was made at ${theirs}: set index to that, ${another}`;
  }
  if (theirs === undefined) {
    if (!(await hasIndex(path))) return undefined;
    return `has its index in its files: copy it with \`layerd migrate-store\`, ${another}`;
  }
  if (theirs === owner.database) return undefined;
  return `belongs to a database whose schema was made at ${theirs}, that of this one at ${owner.database}: correct index, ${another}`;
}

/** Whether an index in files has ever had a repository here. */
async function hasIndex(path: string): Promise<boolean> {
  try {
    // What is no repository begins with an underscore.
    return (await readdir(join(path, "index"))).some((name) => !name.startsWith("_"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw new DataDirectoryError(`${join(path, "index")} cannot be read: ${explain(error)}`, {
      cause: error,
    });
  }
}

async function readLayout(file: string): Promise<Layout | undefined> {
  try {
    const layout: unknown = JSON.parse(await readFile(file, "utf8"));
    if (isLayout(layout)) return layout;
    throw new Error("no version in it");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new DataDirectoryError(`${file} cannot be read: ${explain(error)}`, { cause: error });
  }
}

function isLayout(layout: unknown): layout is Layout {
  if (typeof layout !== "object" || layout === null) return false;
  const { version, database } = layout as { readonly version?: unknown; readonly database?: unknown };
  return Number.isSafeInteger(version) && (database === undefined || typeof database === "string");
}

async function writeLayout(path: string, file: string, layout: Layout, sync: boolean): Promise<void> {
  try {
    const handle = await open(`${file}.new`, "w", 0o644);
    try {
      await handle.writeFile(`${JSON.stringify(layout)}\n`);
      if (sync) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
    if (sync) await syncDirectory(path);
  } catch (error) {
    throw new DataDirectoryError(`${file} cannot be written: ${explain(error)}`, { cause: error });
  }
}
