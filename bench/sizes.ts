/*
 * Fills a PostgreSQL with many images and says how many bytes each row of each table takes, with its indexes, and how
 * many pages the statements that answer requests touch. docs/scale.md is made of it.
 *
 *   node bench/sizes.ts                    1,000,000 images in 10,000 repositories: some minutes, 5 GiB of disk
 *   node bench/sizes.ts --images 100000    fewer
 *
 * An image is a manifest with a tag, a config and three layers. Two of its layers, its base, are all images' of a
 * repository; config and top layer are its own. Rows are written in the order in which pushes write them: those of a
 * repository are not next to each other.
 */
import { parseArgs } from "node:util";
import pg from "pg";
import { openPostgresIndex } from "../src/index/postgres/postgres.ts";
import { READS } from "../src/index/postgres/reads.ts";
import { Postgres } from "../test/tools/postgres.ts";
import { CREDENTIALS, S3Server } from "../test/tools/s3-server.ts";
import { PostgresMeter } from "./costs/postgres-meter.ts";
import { runLayerd } from "./costs/run-layerd.ts";
import { formatNumber } from "./toolkit/table.ts";

const IMAGES = 1_000_000;
const PER_REPOSITORY = 100;
const BASE_LAYERS = 2;

/** SQL for the digest of what a text names. */
const digest = (text: string) => `'\\x01' || sha256(convert_to(${text}, 'UTF8'))`;
const [CONFIG, TOP] = [digest("'config ' || n"), digest("'top ' || n")];
const MANIFEST = digest("'manifest ' || n");
const base = (layer: number, repository = "r.id") => digest(`${repository} || ' base ${layer}'`);
const BASES = Array.from({ length: BASE_LAYERS }, (_, layer) => base(layer, "(1 + n % $repositories)"));

/** `n` counts images, whose repository is `1 + n % $repositories`. */
const FILL: readonly string[] = [
  "insert into repositories (name, position) select 'team-' || n % 100 || '/service-' || n, 1000 from generate_series(1, $repositories) n",
  "insert into media_types (name) values ('application/vnd.oci.image.layer.v1.tar+gzip'), ('application/vnd.oci.image.config.v1+json')",
  ...Array.from(
    { length: BASE_LAYERS },
    (_, layer) => `insert into blobs (repository, digest, position, size, media_type_id, created_at)
    select r.id, ${base(layer)}, ${layer + 1}, 30000000, 1, now() from repositories r`,
  ),
  `insert into blobs (repository, digest, position, size, media_type_id, created_at)
    select 1 + n % $repositories, digest, 10 + 4 * (n / $repositories) + at, 5000000, 1, now()
    from generate_series(0, $images - 1) n cross join lateral (values (0, ${CONFIG}), (1, ${TOP})) own (at, digest)`,
  `insert into manifests (repository, digest, position, size, media_type, blobs, created_at)
    select 1 + n % $repositories, ${MANIFEST}, 12 + 4 * (n / $repositories), 1200,
      'application/vnd.oci.image.manifest.v1+json', array[${[CONFIG, ...BASES, TOP].join(", ")}], now()
    from generate_series(0, $images - 1) n`,
  `insert into namings (repository, kind, named, position)
    select 1 + n % $repositories, 1, named, 12 + 4 * (n / $repositories)
    from generate_series(0, $images - 1) n
    cross join lateral unnest(array[${[CONFIG, ...BASES, TOP].join(", ")}]) named`,
  `insert into tags select 1 + n % $repositories, 'v1.' || n / $repositories || '.0-' || left(md5(n::text), 7), ${MANIFEST}, now()
    from generate_series(0, $images - 1) n`,
  `insert into blob_objects (key, state, digest, size)
    select 'blobs/' || md5(digest) , 'live', digest, size from (
      select distinct on (digest) digest, size from (
        select digest, size from blobs union all select digest, size from manifests
      ) every order by digest
    ) stored order by sha256(digest)`,
  `insert into promises (digest, generation)
    select digest, 1 from blob_objects order by key`,
  "vacuum analyze",
];

const TABLES = ["tags", "manifests", "namings", "blobs", "blob_objects", "promises", "repositories"] as const;

async function main(images: number): Promise<void> {
  const postgres = await Postgres.start();
  try {
    const url = await postgres.database();
    await (await openPostgresIndex({ url, connections: 1, durability: "os" })).close();
    const client = new pg.Client(url);
    await client.connect();
    await fill(client, images);
    process.stdout.write(`${await sizes(client)}\n\n${await pages(client)}\n`);
    await client.end();
    process.stdout.write(`\n${await collection(url)}\n`);
  } finally {
    await postgres.remove();
  }
}

async function fill(client: pg.Client, images: number): Promise<void> {
  const repositories = Math.max(1, images / PER_REPOSITORY);
  for (const statement of FILL) {
    const numbers = { $repositories: String(repositories), $images: String(images) };
    await client.query(
      statement.replaceAll(/\$(?:repositories|images)/g, (name) => numbers[name as "$images"]),
    );
    process.stderr.write(`  ${statement.slice(0, 60).replaceAll(/\s+/g, " ")}\n`);
  }
}

/** A Markdown table of what a row takes, in bytes. */
async function sizes(client: pg.Client): Promise<string> {
  const lines = ["| table | rows | table, bytes a row | indexes, bytes a row |", "| --- | --- | --- | --- |"];
  for (const table of TABLES) {
    const [counted] = (await client.query(`select count(*)::float8 as rows from ${table}`)).rows;
    const own = await client.query("select pg_table_size($1::regclass)::float8 as bytes", [table]);
    const indexes = await client.query(
      `select indexrelid::regclass as name, pg_relation_size(indexrelid)::float8 as bytes
       from pg_index where indrelid = $1::regclass order by 1`,
      [table],
    );
    const each = (bytes: number) => formatNumber(bytes / counted.rows);
    const ofIndexes = indexes.rows
      .filter(({ bytes }) => bytes > 0)
      .map(({ name, bytes }) => `\`${name}\` ${each(bytes)}`);
    lines.push(
      `| \`${table}\` | ${formatNumber(counted.rows)} | ${each(own.rows[0].bytes)} | ${ofIndexes.join(", ")} |`,
    );
  }
  return lines.join("\n");
}

interface Plan {
  readonly "Shared Hit Blocks": number;
  readonly "Shared Read Blocks": number;
}

/** A Markdown table of the pages, of 8 KiB, that a statement touches. */
async function pages(client: pg.Client): Promise<string> {
  const [found] = (
    await client.query(
      `select r.name, t.tag, t.digest, b.digest as blob from repositories r join tags t on t.repository = r.id
       join blobs b on b.repository = r.id where r.id = 7 order by t.tag, b.position offset 500 limit 1`,
    )
  ).rows;
  const asked: readonly (readonly [keyof typeof READS, readonly unknown[]])[] = [
    ["tag", [found.name, found.tag]],
    ["manifest", [found.name, found.digest]],
    ["blob", [found.name, found.blob]],
    ["tags", [found.name, "", 101]],
    ["manifests", [found.name, Number.MAX_SAFE_INTEGER, 101]],
  ];
  const lines = ["| statement | pages |", "| --- | --- |"];
  for (const [name, values] of asked) {
    const text = `explain (analyze, buffers, format json) ${READS[name].text}`;
    const { rows } = await client.query(text, [...values]);
    const plan: Plan = rows[0]["QUERY PLAN"][0].Plan;
    lines.push(`| \`read.${name}\` | ${plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]} |`);
  }
  return lines.join("\n");
}

/** What a collection takes that finds everything needed: it asks the catalogue, and nothing of the bucket. */
async function collection(url: string): Promise<string> {
  Object.assign(process.env, CREDENTIALS);
  const server = await S3Server.start();
  const meter = await PostgresMeter.start(Number(new URL(url).port));
  try {
    const index = new URL(url);
    index.port = String(meter.port);
    const bucket = ["--blobs", `s3://${server.bucket()}`, "--s3-endpoint", server.url, "--s3-path-style"];
    const { seconds, processorSeconds, memory, result } = await runLayerd([
      "gc",
      "--index",
      index.href,
      ...bucket,
    ]);
    const { statements } = meter.take();
    return [
      "| a collection that finds everything needed | |",
      "| --- | --- |",
      `| result | \`${result}\` |`,
      `| seconds | ${formatNumber(seconds)} |`,
      `| processor seconds | ${formatNumber(processorSeconds)} |`,
      `| memory, MB | ${formatNumber(memory)} |`,
      `| statements | ${formatNumber(statements.length)} |`,
    ].join("\n");
  } finally {
    await meter.close();
    await server.remove();
  }
}

const { values } = parseArgs({ options: { images: { type: "string", default: String(IMAGES) } } });
await main(Number(values.images));
