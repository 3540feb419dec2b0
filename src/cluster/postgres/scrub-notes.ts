import type pg from "pg";
import type { ScrubNote, ScrubNotes } from "../../blobs/port.ts";
import { toStoreError } from "../../postgres/errors.ts";
import { run, statements } from "../../postgres/statement.ts";

export const STATEMENTS = statements("scrub", {
  read: "select note from duties where name = 'scrub'",
  write: `insert into duties (name, note) values ('scrub', $1)
    on conflict (name) do update set note = excluded.note`,
});

/** Keeps the note beside the duty that it is about: whichever server comes next goes on there. */
export function postgresScrubNotes(pool: pg.Pool): ScrubNotes {
  return {
    read: async () => {
      const [row] = await run<{ note: ScrubNote | null }>(pool, STATEMENTS.read, []).catch(fail);
      return row?.note ?? {};
    },
    write: async (note) => {
      await run(pool, STATEMENTS.write, [note]).catch(fail);
    },
  };
}

function fail(error: unknown): never {
  throw toStoreError(error);
}
