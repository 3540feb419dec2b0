import type pg from "pg";
import type { CacheCounts } from "../blobs/file-reader.ts";
import { openFilesystemBlobs } from "../blobs/filesystem.ts";
import { createPostgresCatalog } from "../blobs/s3/postgres-catalog.ts";
import { fileScrubNotes } from "../blobs/scrub-note.ts";
import { PostgresHolds } from "../cluster/postgres/holds.ts";
import { PostgresLocks } from "../cluster/postgres/locks.ts";
import { createPostgresCluster } from "../cluster/postgres/postgres.ts";
import { postgresScrubNotes } from "../cluster/postgres/scrub-notes.ts";
import { type BucketPlace, bucketOf, type StoreConfig } from "../config.ts";
import { openDataDirectory } from "../data-directory.ts";
import { createPostgresIndex } from "../index/postgres/postgres.ts";
import { openPool } from "../postgres/pool.ts";
import { Session } from "../postgres/session.ts";
import { settleSchema } from "../postgres/start.ts";
import type { Listeners, Stores } from "./arrangement.ts";
import { Opened } from "./opened.ts";

// Connections for what is being discarded from files, each of which waits for the disk.
const DISCARDING = 2;

/**
 * An index in PostgreSQL, and blobs in a bucket or in files: any number of processes may share them.
 * @throws DatabaseError, DataDirectoryError, S3StoreError
 */
export async function openPostgres(settings: StoreConfig, listeners: Listeners): Promise<Stores> {
  const { index: url, indexConnections: connections, durability } = settings;
  const { log, onCommit } = listeners;
  const onLost = (err: Error) => log.warn({ err }, "a connection to the database was lost");
  const madeAt = await settleSchema(url);
  return await Opened.orClose(async (opened) => {
    const database = opened.add(connect({ url, connections, durability, onLost }));
    const place = bucketOf(settings.blobs);
    const { holds, ...stores } =
      place === undefined
        ? await openInFiles(settings, listeners, { ...database, madeAt }, opened)
        : await openInBucket(settings, listeners, database, { ...place, owner: madeAt });
    return {
      ...stores,
      index: createPostgresIndex({ pool: database.pool, onCommit }),
      cluster: createPostgresCluster({ pool: database.pool, session: database.session, holds }),
      release: async () => {
        await stores.release();
        await database.close();
      },
    };
  });
}

interface Database {
  readonly pool: pg.Pool;
  readonly session: Session;
  /** Another pool, ended with the rest. */
  more(connections: number): pg.Pool;
  close(): Promise<void>;
}

function connect(options: Parameters<typeof openPool>[0]): Database {
  const pools = [openPool(options)];
  const session = new Session(options);
  return {
    pool: pools[0] as pg.Pool,
    session,
    more: (connections) => {
      const pool = openPool({ ...options, connections });
      pools.push(pool);
      return pool;
    },
    close: async () => {
      await session.close();
      for (const pool of pools) await pool.end();
    },
  };
}

type Blobs = Omit<Stores, "index" | "cluster"> & { readonly holds: PostgresHolds };

async function openInFiles(
  settings: StoreConfig,
  { log }: Listeners,
  database: Database & { readonly madeAt: string },
  opened: Opened,
): Promise<Blobs> {
  const { durability, minFree } = settings;
  const cacheCounts = noReads();
  const owner = { database: database.madeAt };
  const data = opened.add(await openDataDirectory({ path: settings.data, durability, shared: true, owner }));
  const directory = data.path;
  const locks = new PostgresLocks(database.session);
  const blobs = await openFilesystemBlobs({ directory, durability, minFree, log, cacheCounts, locks });
  return {
    blobs,
    sharedFiles: blobs,
    bucket: undefined,
    holds: new PostgresHolds({ pool: database.pool, discarding: database.more(DISCARDING) }),
    scrubNotes: fileScrubNotes(directory),
    directory,
    cacheCounts,
    release: () => data.close(),
  };
}

async function openInBucket(
  settings: StoreConfig,
  { log }: Listeners,
  { pool }: Database,
  place: BucketPlace & { readonly owner: string },
): Promise<Blobs> {
  const { s3Endpoint, s3PublicEndpoint, s3Region: region, s3PathStyle: forcePathStyle } = settings;
  const cacheCounts = noReads();
  const holds = new PostgresHolds({ pool });
  const catalog = createPostgresCatalog(pool, {
    mayDiscard: (connection, digest) => holds.mayDiscard(connection, digest),
  });
  // Whoever has no bucket need not wait for what reaches one.
  const { openS3Blobs } = await import("../blobs/s3/store.ts");
  const bucket = await openS3Blobs({
    ...place,
    region,
    forcePathStyle,
    ...(s3Endpoint === "" ? {} : { endpoint: s3Endpoint }),
    ...(s3PublicEndpoint === "" ? {} : { publicEndpoint: s3PublicEndpoint }),
    catalog,
    log,
    cacheCounts,
  });
  return {
    blobs: bucket,
    bucket,
    holds,
    scrubNotes: postgresScrubNotes(pool),
    directory: undefined,
    cacheCounts,
    release: async () => {},
  };
}

function noReads(): CacheCounts {
  return { hits: 0, misses: 0 };
}
