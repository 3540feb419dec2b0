import type pg from "pg";
import type { Digest } from "../../core/digest.ts";
import { bytesOf, digestFrom } from "../../postgres/digests.ts";
import { type Connection, run, statements } from "../../postgres/statement.ts";
import type { BlobEntry, ManifestEntry } from "../port.ts";
import { reliedOn } from "../promises.ts";

/*
 * Promises as rows, so that every server's are known to whichever collects garbage.
 *
 * A promise is given before what it is about is read, in a transaction of its own; a collector locks the row before
 * it judges, and holds it until what it removes is gone. Whichever comes first, the other sees it: either the
 * collector finds the promise, or the reader finds nothing.
 */

// Rows that are deleted at a time: each transaction stays short.
const FORGOTTEN = 10_000;
const CURRENT = "(select current from promise_generation)";

// Rows are locked in the order of their digests, by everybody: nobody waits for each other in a circle.
export const STATEMENTS = statements("promise", {
  give: `insert into promises as p (digest, generation, names_generation)
    select d, ${CURRENT}, case when d = any ($2::bytea[]) then ${CURRENT} else 0 end
    from unnest($1::bytea[]) d order by d
    on conflict (digest) do update set
      generation = excluded.generation,
      names_generation = greatest(p.names_generation, excluded.names_generation)
    where p.generation < excluded.generation or p.names_generation < excluded.names_generation`,
  // Of no generation that has ever been: whoever only locks promises nothing.
  lock: `insert into promises as p (digest, generation)
    select d, -9 from unnest($1::bytea[]) d order by d
    on conflict (digest) do update set generation = p.generation
    returning digest, generation >= ${CURRENT} - 1 as held`,
  held: `select from promises where digest = $1 and generation >= ${CURRENT} - 1`,
  // By whichever server comes first.
  age: `update promise_generation set current = current + 1, began_at = now()
    where began_at <= now() - make_interval(secs => $1)`,
  forget: `delete from promises where digest = any (array(
      select digest from promises where generation < ${CURRENT} - 1 order by generation limit ${FORGOTTEN} for update skip locked
    )) returning 1 as gone`,
});

/** Promises digests; those in `withNames` have what they name among `digests`. */
export async function give(
  connection: Connection,
  digests: Iterable<Digest>,
  withNames: readonly Digest[] = [],
): Promise<void> {
  const bytes = [...new Set(digests)].map(bytesOf);
  if (bytes.length > 0) await run(connection, STATEMENTS.give, [bytes, withNames.map(bytesOf)]);
}

export async function giveEntry(connection: Connection, entry: BlobEntry | ManifestEntry): Promise<void> {
  await give(connection, reliedOn(entry), "blobs" in entry ? [entry.digest] : []);
}

/** Keeps others from promising these until the transaction ends. @returns those that are promised already. */
export async function lockUnpromised(
  connection: Connection,
  digests: readonly Digest[],
): Promise<Set<Digest>> {
  if (digests.length === 0) return new Set();
  const bytes = [...new Set(digests)].map(bytesOf);
  const rows = await run<{ digest: Buffer; held: boolean }>(connection, STATEMENTS.lock, [bytes]);
  return new Set(rows.filter(({ held }) => held).map(({ digest }) => digestFrom(digest)));
}

export async function isPromised(pool: pg.Pool, digest: Digest): Promise<boolean> {
  return (await run(pool, STATEMENTS.held, [bytesOf(digest)])).length > 0;
}

/** @param period milliseconds that a generation lasts at least, whoever ends it. */
export async function age(pool: pg.Pool, period: number): Promise<void> {
  await run(pool, STATEMENTS.age, [period / 1000]);
  for (let gone = FORGOTTEN; gone === FORGOTTEN; ) gone = (await run(pool, STATEMENTS.forget, [])).length;
}
