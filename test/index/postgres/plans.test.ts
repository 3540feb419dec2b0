import test from "ava";
import pg from "pg";
import { openPostgresIndex } from "../../../src/index/postgres/postgres.ts";
import { STATEMENTS as PROMISES } from "../../../src/index/postgres/promises.ts";
import { READS } from "../../../src/index/postgres/reads.ts";
import { STATEMENTS as SLICES } from "../../../src/index/postgres/slice.ts";
import { STATEMENTS as WRITER } from "../../../src/index/postgres/writer.ts";
import { STATEMENTS as WRITES } from "../../../src/index/postgres/writes.ts";
import { database } from "../../tools/database.ts";

/** Enough for a planner to prefer an index: 20,000 repositories, 200 of them of 100 manifests, 100 tags, 300 blobs each. */
const FILL = [
  "insert into repositories (name, position) select 'team/app-' || n, 400 from generate_series(1, 20000) n",
  "insert into media_types (name) select 'a/' || n from generate_series(1, 20000) n",
  `insert into blobs (repository, digest, position, size, media_type_id, created_at)
    select r.id, '\\x01' || sha256((r.id || ':' || n)::bytea), n, 10, 1, now()
    from repositories r, generate_series(1, 300) n where r.id <= 200`,
  `insert into manifests (repository, digest, position, size, media_type, blobs, created_at)
    select r.id, '\\x01' || sha256((r.id || ':' || n)::bytea), n, 10, 'a/b', '{}', now()
    from repositories r, generate_series(301, 400) n where r.id <= 200`,
  `insert into namings (repository, kind, named, position) select r.id, 1 + n % 3, '\\x01' || sha256((r.id || ':' || n)::bytea), 301 + n % 100
    from repositories r, generate_series(1, 300) n where r.id <= 200`,
  `insert into tags select r.id, 'v' || n, '\\x01' || sha256((r.id || ':' || n)::bytea), now()
    from repositories r, generate_series(301, 400) n where r.id <= 200`,
  "insert into promises select digest, 1 from blobs on conflict do nothing",
  "analyze",
];

interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly Plans?: readonly Plan[];
}

/** Every table that is read from one end to the other. The generation is one row. */
function scanned(plan: Plan): string[] {
  const own = plan["Node Type"] === "Seq Scan" ? [plan["Relation Name"] ?? ""] : [];
  return [...own, ...(plan.Plans ?? []).flatMap(scanned)].filter((name) => name !== "promise_generation");
}

test("no statement reads a table from one end to the other", async (t) => {
  const url = await database();
  await (await openPostgresIndex({ url, connections: 1, durability: "full" })).close();
  const client = new pg.Client(url);
  await client.connect();
  t.teardown(() => client.end());
  for (const statement of FILL) await client.query(statement);
  for (const { name, text } of [READS, SLICES, WRITES, WRITER, PROMISES].flatMap(Object.values)) {
    const { rows } = await client.query(`explain (generic_plan, format json) ${text}`);
    t.deepEqual(scanned(rows[0]["QUERY PLAN"][0].Plan), [], name);
  }
});
