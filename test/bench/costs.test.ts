import test, { type ExecutionContext } from "ava";
import { type EngineName, startEngine } from "../../bench/costs/engines.ts";
import { KINDS } from "../../bench/costs/kinds.ts";
import { type Counts, Measurement } from "../../bench/costs/measure.ts";
import { Messages } from "../../bench/costs/messages.ts";
import { markdownOf } from "../../bench/costs/table.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { requireTool } from "../tools/tools.ts";

/*
 * What the requests cost that there are most of. Whoever adds a statement to one of them is to know, and to change
 * docs/scale.md (`node bench/costs.ts`).
 */

/** Statements in any order, since some are asked at the same time; and requests of S3. */
interface Cost {
  readonly statements: readonly string[];
  readonly roundTrips: number;
  /** Transactions that change rows. */
  readonly commits: number;
  readonly s3?: readonly string[];
}

const OBJECT = "select key, digest,";
const PUBLISH = [
  ...["insert into blob_objects", "begin", "select pg_advisory_xact_lock(hashtextextended($1, 0))"],
  ...["select from blob_objects", "update blob_objects set", "update blob_objects set", "commit"],
];
const LINK = [
  ...["promise.give", "begin", "writer.lock", "promise.give", "slice.blobs", "write.putMediaTypes"],
  ...["write.putBlob", "write.position", "commit", "read.blob"],
];
// One server at a time has an upload that others could go on with.
const LOCK = [
  "select pg_try_advisory_lock(hashtextextended($1, $2))",
  "select pg_advisory_unlock(hashtextextended($1, $2))",
];
const LOOK_FOR_BLOBS = Array<string>(4).fill("read.blob");
const PUT_MANIFEST = [
  ...["promise.give", "read.manifest", "begin", "writer.lock", "promise.give"],
  ...["slice.blobs", "slice.tags", "slice.manifests"],
  ...["write.putManifest", "write.putNamings", "write.putTags", "write.position", "commit"],
];

const POSTGRES: Readonly<Record<string, Cost>> = {
  "GET manifest by tag": { statements: ["read.tag", "read.manifest"], roundTrips: 2, commits: 0 },
  "GET manifest by digest": { statements: ["read.manifest"], roundTrips: 1, commits: 0 },
  "GET manifest by tag, first in a day": {
    statements: ["read.tag", "read.manifest", "promise.give", "read.manifest"],
    roundTrips: 4,
    commits: 1,
  },
  "HEAD blob that is not there": { statements: ["read.blob"], roundTrips: 1, commits: 0 },
  "GET blob of 1 MiB": { statements: ["read.blob"], roundTrips: 1, commits: 0 },
  "push blob of 2 KiB: POST": { statements: LINK, roundTrips: 10, commits: 2 },
  "push blob of 1 MiB: POST, PATCH, PUT": { statements: [...LOCK, ...LINK], roundTrips: 12, commits: 2 },
  "push manifest of 3 layers with a tag": {
    statements: [...LOOK_FOR_BLOBS, ...PUT_MANIFEST],
    roundTrips: 17,
    commits: 2,
  },
};

const S3: Readonly<Record<string, Cost>> = {
  "GET manifest by tag": { statements: ["read.tag", "read.manifest", OBJECT], roundTrips: 3, commits: 0 },
  "GET manifest by digest": { statements: ["read.manifest", OBJECT], roundTrips: 2, commits: 0 },
  "HEAD blob that is not there": { statements: ["read.blob"], roundTrips: 1, commits: 0 },
  "GET blob of 2 KiB, again": { statements: ["read.blob", OBJECT], roundTrips: 2, commits: 0 },
  "push blob of 2 KiB: POST": {
    statements: [...PUBLISH, ...LINK],
    roundTrips: 17,
    commits: 4,
    s3: ["PutObject"],
  },
  "push manifest of 3 layers with a tag": {
    // The config is read, to see that it is one.
    statements: [...LOOK_FOR_BLOBS, ...Array(5).fill(OBJECT), ...PUBLISH, ...PUT_MANIFEST],
    roundTrips: 29,
    commits: 4,
    s3: ["GetObject", "PutObject"],
  },
};

test("requests cost as many statements as docs/scale.md says, with files and PostgreSQL", async (t) => {
  await holdAgainst(t, "postgres", POSTGRES);
});

test("requests cost as many statements and requests of S3 as docs/scale.md says, with both", async (t) => {
  if (requireTool(t, "versitygw")) await holdAgainst(t, "s3", S3);
});

async function holdAgainst(
  t: ExecutionContext,
  name: EngineName,
  expected: Readonly<Record<string, Cost>>,
): Promise<void> {
  await using engine = await startEngine(name, await temporaryDirectory(t));
  await using measurement = await Measurement.start(engine);
  for (const [title, cost] of Object.entries(expected)) {
    const kind = KINDS.find((each) => each.name === title);
    if (kind === undefined) return t.fail(`there is no kind ${title}`);
    // Of the first, some open connections, and only the second finds what it has in memory.
    await measurement.count(kind);
    t.deepEqual(costOf(await measurement.count(kind)), costOf(asCounts(cost)), title);
  }
}

function costOf({ postgres, s3 }: Pick<Counts, "postgres" | "s3">): Cost {
  const { statements = [], roundTrips = 0, commits = 0 } = postgres ?? {};
  return { statements: statements.toSorted(), roundTrips, commits, s3: s3?.requests.toSorted() ?? [] };
}

function asCounts({ s3 = [], ...postgres }: Cost): Pick<Counts, "postgres" | "s3"> {
  const nothing = { sent: 0, received: 0 };
  return { postgres: { ...postgres, ...nothing, rows: 0 }, s3: { ...nothing, requests: s3 } };
}

test("messages of PostgreSQL are told apart wherever their bytes are cut", (t) => {
  const startup = Buffer.from("\0\0\0\x0a\0\x03\0\0u\0", "latin1");
  const sync = Buffer.from("S\0\0\0\x04", "latin1");
  const query = Buffer.from("Q\0\0\0\x0cselect\0\0", "latin1");
  const all = Buffer.concat([startup, sync, query]);
  for (let cut = 1; cut < all.length; cut += 1) {
    const messages = new Messages("client");
    const found = [all.subarray(0, cut), all.subarray(cut)].flatMap((part) => [...messages.take(part)]);
    t.deepEqual(
      found.map(({ type, body }) => [type, body.length]),
      [
        ["", 6],
        ["S", 0],
        ["Q", 8],
      ],
    );
  }
});

test("the tables have a section for each engine, and leave out what it does not have", (t) => {
  const counts = { sent: 1000, received: 20, calls: { fsync: 1, fdatasync: 2, rename: 1 } };
  const rows = [{ name: "GET", counts, times: [{ server: 1500 }, { server: 2500 }] }];
  const markdown = markdownOf([{ engine: "files", rows, upkeep: [] }]);
  t.is(
    markdown,
    `### Files and journal

| Request | Syncs | Renames | Client, bytes in | Client, bytes out | layerd, ms |
| ------- | ----- | ------- | ---------------- | ----------------- | ---------- |
| GET     | 3     | 1       | 1,000            | 20                | 1.5–2.5    |
`,
  );
});
