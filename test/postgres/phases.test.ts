import { randomBytes } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import pg from "pg";
import { parseRepositoryName, type RepositoryName } from "../../src/core/name.ts";
import type { Index } from "../../src/index/port.ts";
import { createPostgresIndex, openPostgresIndex } from "../../src/index/postgres/postgres.ts";
import { bytesOf } from "../../src/postgres/digests.ts";
import { openPool } from "../../src/postgres/pool.ts";
import { Schema } from "../../src/postgres/schema.ts";
import { start } from "../cli/command.ts";
import { digest, link, transaction } from "../index/samples.ts";
import { database } from "../tools/database.ts";
import { eventually } from "../tools/eventually.ts";

/*
 * Media types moved into a table of their own, while servers of the version before and of the one after were at work.
 */

const TEAM = parseRepositoryName("team/app");
const SWITCH = "0004-media-types-switch";
const CONTRACT = "0005-media-types-contract";

/** What servers of the version before sent, word by word. */
const OLD = {
  putBlob: `insert into blobs (repository, digest, position, size, media_type, name, created_at, diff_id, unpacked_size)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (repository, digest) do update set
      position = excluded.position, created_at = excluded.created_at, size = excluded.size,
      media_type = excluded.media_type, name = excluded.name,
      diff_id = excluded.diff_id, unpacked_size = excluded.unpacked_size`,
  blob: `select digest, position, size, media_type, name, created_at, diff_id, unpacked_size from blobs
    where repository = (select id from repositories where name = $1) and digest = $2`,
};

const typeOf = (n: number) => `application/vnd.test.${n % 7}`;

/** A server of the version before: it links blobs of its own, and reads what it and others have linked. */
class OldServer {
  readonly #pool: pg.Pool;
  #linked = 0;

  constructor(url: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: 2 });
  }

  async link(n: number, mediaType = typeOf(n)): Promise<void> {
    this.#linked += 1;
    const { rows } = await this.#pool.query(
      "update repositories set position = position + 1 where name = $1 returning id, position",
      [TEAM],
    );
    const [{ id, position }] = rows;
    const values = [id, bytesOf(digest(n)), position, 1, mediaType, null, new Date(), null, null];
    await this.#pool.query({ name: "putBlob", text: OLD.putBlob, values });
  }

  async mediaType(n: number): Promise<string | undefined> {
    const values = [TEAM, bytesOf(digest(n))];
    const { rows } = await this.#pool.query({ name: "blob", text: OLD.blob, values });
    return rows[0]?.media_type;
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** Links one blob after the other, and reads each back, until it is told to stop. */
function keepLinking(
  t: ExecutionContext,
  from: number,
  server: { link(n: number): Promise<void>; mediaType(n: number): Promise<string | undefined> },
) {
  const numbers: number[] = [];
  let stopped = false;
  const running = (async () => {
    for (let n = from; !stopped; n += 1) {
      await server.link(n);
      t.is(await server.mediaType(n), typeOf(n));
      numbers.push(n);
    }
  })();
  return {
    numbers,
    /** Resolves when it has linked some more. */
    more: async () => {
      const enough = numbers.length + 5;
      await eventually(async () => numbers.length >= enough);
    },
    stop: async () => {
      stopped = true;
      await running;
    },
  };
}

function newServer(index: Index) {
  return {
    link: (n: number) => index.apply(TEAM, transaction([link(digest(n), { mediaType: typeOf(n) })])),
    mediaType: async (n: number) => (await index.blob(TEAM, digest(n)))?.mediaType,
  };
}

async function openSchema(t: ExecutionContext, url: string): Promise<{ schema: Schema; pool: pg.Pool }> {
  const pool = openPool({ url, connections: 3, durability: "os", onLost: (error) => t.log(error) });
  t.teardown(() => pool.end());
  return { schema: new Schema(pool), pool };
}

/** Blobs as the version before has left them. */
async function fill(pool: pg.Pool, repository: RepositoryName, count: number): Promise<void> {
  await pool.query("insert into repositories (name, position) values ($1, $2)", [repository, count]);
  await pool.query(
    `insert into blobs (repository, digest, position, size, media_type, created_at)
      select id, '\\x01' || sha256(n::text::bytea), n, 1, 'application/vnd.test.' || n % 7, now()
      from repositories, generate_series(1, $2::int) n where name = $1`,
    [repository, count],
  );
}

test("servers of the version before and of the one after work side by side through all phases", async (t) => {
  const url = await database();
  const { schema, pool } = await openSchema(t, url);
  await schema.up("0001-index");
  await fill(pool, TEAM, 20_000);
  const old = new OldServer(url);
  const before = keepLinking(t, 1_000_000, old);
  await before.more();
  for (const step of ["0002-media-types-expand", "0003-media-types-backfill", SWITCH]) {
    t.deepEqual(await schema.up(step), [step]);
    await before.more();
  }

  // What came later in the history, the index does without.
  const index = createPostgresIndex({ pool });
  const now = newServer(index);
  const after = keepLinking(t, 2_000_000, now);
  await Promise.all([before.more(), after.more()]);
  for (const n of after.numbers.slice(0, 5))
    t.is(await old.mediaType(n), typeOf(n), "the old one reads the new");
  for (const n of before.numbers.slice(0, 5))
    t.is(await now.mediaType(n), typeOf(n), "the new one reads the old");
  // Each says something else of what the other has linked.
  const [theirs = 0, ours = 0] = [before.numbers[0], after.numbers[0]];
  await index.apply(TEAM, transaction([link(digest(theirs), { mediaType: "application/changed" })]));
  t.is(await old.mediaType(theirs), "application/changed");
  await old.link(ours, "application/changed");
  t.is(await now.mediaType(ours), "application/changed");

  await before.stop();
  await old.close();
  t.deepEqual(await schema.up(), [], "a contract step is only taken by name");
  t.deepEqual(await schema.up(CONTRACT), [CONTRACT]);
  await after.more();
  await after.stop();
  for (const n of [...before.numbers, ...after.numbers].filter((each) => each !== theirs && each !== ours)) {
    t.is(await now.mediaType(n), typeOf(n));
  }
  const types = await pool.query("select count(*) as types from media_types");
  t.is(types.rows[0].types, 8);
  await index.close();
});

test("a backfill that is killed goes on where it is begun again", async (t) => {
  const url = await database();
  const { schema, pool } = await openSchema(t, url);
  await schema.up("0001-index");
  await fill(pool, TEAM, 100_000);
  await schema.up("0002-media-types-expand");
  const left = async () => {
    const { rows } = await pool.query("select count(*) as left from blobs where media_type_id is null");
    return rows[0].left as number;
  };
  // It comes no further than to the row that somebody is changing.
  const busy = await pool.connect();
  await busy.query("begin; select from blobs where position = 100000 for update");
  const { child, ended } = start(t, ["migrate", "up", "--index", url]);
  await eventually(async () => (await left()) < 100_000);
  child.kill("SIGKILL");
  await ended;
  await busy.query("rollback");
  busy.release();
  const taken = (await schema.status()).filter(({ at }) => at !== undefined).map(({ name }) => name);
  t.deepEqual(taken, ["0001-index", "0002-media-types-expand"]);
  t.deepEqual(await schema.up(), ["0003-media-types-backfill", SWITCH]);
  t.is(await left(), 0);
});

test("every step can be taken back, and taken again", async (t) => {
  const url = await database();
  const { schema, pool } = await openSchema(t, url);
  await schema.up();
  const index = await openPostgresIndex({ url, connections: 2, durability: "os" });
  const mediaType = `application/vnd.${randomBytes(4).toString("hex")}`;
  await index.apply(TEAM, transaction([link(digest(1), { mediaType })]));
  await index.close();
  for (let steps = 0; steps < 6; steps += 1) await schema.down();
  const { rows } = await pool.query("select media_type from blobs");
  t.deepEqual(rows, [{ media_type: mediaType }]);
  await schema.up(CONTRACT);
  await schema.up();
  const again = await openPostgresIndex({ url, connections: 2, durability: "os" });
  t.is((await again.blob(TEAM, digest(1)))?.mediaType, mediaType);
  await again.close();
  for (let steps = 0; steps < 7; steps += 1) await schema.down();
  const tables = await pool.query("select tablename from pg_tables where schemaname = 'public' order by 1");
  t.deepEqual(
    tables.rows.map(({ tablename }) => tablename),
    ["layerd_migrations", "layerd_migrations_lock"],
  );
});
