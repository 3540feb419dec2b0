import test, { type ExecutionContext } from "ava";
import pg from "pg";
import {
  type FileBlobStore,
  type FilesystemOptions,
  openFilesystemBlobs,
} from "../../src/blobs/filesystem.ts";
import { PostgresLocks } from "../../src/cluster/postgres/locks.ts";
import { Session } from "../../src/postgres/session.ts";
import { temporaryDirectory } from "../index/samples.ts";
import { database } from "../tools/database.ts";
import { prefixed } from "./prefixed-locks.ts";

/** A directory that several stores share, as servers do that have the same database. */
export interface SharedPlace {
  readonly directory: string;
  /** The database, for another process. */
  readonly database: string;
  /** What comes before the names of locks, for another process. */
  readonly prefix: string;
  /** Another store, with a connection of its own to the database. Closed with the test. */
  open(more?: Partial<FilesystemOptions>): Promise<FileBlobStore>;
  /** Ends the connection of whoever has a lock. */
  cut(name: string): Promise<void>;
}

/** Defines a test that is given such a place. */
export function testShared(
  title: string,
  body: (t: ExecutionContext, place: SharedPlace) => Promise<void>,
): void {
  // One after the other: what one asks of another process is not to wait for all the rest.
  test.serial(title, async (t) => await body(t, await sharedPlace(t)));
}

let databases: Promise<string> | undefined;
let places = 0;

export async function sharedPlace(t: ExecutionContext): Promise<SharedPlace> {
  databases ??= database();
  places += 1;
  const prefix = `place ${places} `;
  const [directory, url] = [await temporaryDirectory(t), await databases];
  return {
    ...{ directory, prefix, database: url },
    open: async (more = {}) => {
      const session = new Session({ url, onLost: () => undefined });
      const locks = prefixed(new PostgresLocks(session), prefix);
      const options = { directory, durability: "full", minFree: 0, locks, ...more } as const;
      const blobs = await openFilesystemBlobs(options);
      t.teardown(async () => {
        await blobs.close();
        await session.close();
      });
      return blobs;
    },
    cut: async (name) => {
      const client = new pg.Client(url);
      await client.connect();
      const { rowCount } = await client.query(
        `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'
         and (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 7289054)`,
        [prefix + name],
      );
      await client.end();
      if (rowCount !== 1) throw new Error(`${rowCount} have the lock ${name}`);
    },
  };
}
