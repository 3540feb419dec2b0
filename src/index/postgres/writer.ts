import type pg from "pg";
import { LayerdError } from "../../core/errors.ts";
import type { RepositoryName } from "../../core/name.ts";
import { isConflict, toStoreError } from "../../postgres/errors.ts";
import { type Connection, run, statements } from "../../postgres/statement.ts";
import { transaction } from "../../postgres/transaction.ts";
import { fold, promised, untagged } from "../fold.ts";
import type { Commit, OnCommit, RecordedChange, Transaction } from "../port.ts";
import { check } from "../requirements.ts";
import type { RepositoryState } from "../state.ts";
import { give, lockUnpromised } from "./promises.ts";
import { keysOf, readSlice } from "./slice.ts";
import { entriesOf, writeDifference } from "./writes.ts";

// How many transactions of a repository share one of PostgreSQL's, and its sync.
const TOGETHER = 64;
// How often a batch is tried that others get in the way of.
const TRIES = 5;

export const STATEMENTS = statements("writer", {
  // Also when it is there: whoever comes second waits here for the first.
  lock: "select id, position from repositories where name = $1 for update",
  create: "insert into repositories (name) values ($1) on conflict (name) do nothing returning id, position",
  remove: "delete from repositories where id = $1",
});

interface Waiting {
  readonly transaction: Transaction;
  readonly settle: (outcome: Outcome) => void;
}

/** What came of one transaction: an error, or what it changed. */
type Outcome =
  | { readonly error: unknown }
  | { readonly changes: readonly RecordedChange[]; readonly at: string };

export interface WriterOptions {
  readonly pool: pg.Pool;
  /** `full`: what is acknowledged is on the database's disk, however it is set up; `os`: as it is set up. */
  readonly onCommit?: OnCommit;
}

/**
 * Applies transactions. Those of one repository one after the other, also among servers: each locks the
 * repository's row. What waits meanwhile in this process is then written together.
 */
export class Writer {
  readonly #pool: pg.Pool;
  readonly #onCommit: OnCommit | undefined;
  readonly #queues = new Map<RepositoryName, Waiting[]>();
  readonly #running = new Set<Promise<void>>();

  constructor({ pool, onCommit }: WriterOptions) {
    this.#pool = pool;
    this.#onCommit = onCommit;
  }

  async apply(repository: RepositoryName, transaction: Transaction): Promise<void> {
    const outcome = await new Promise<Outcome>((settle) => {
      this.#enqueue(repository, { transaction, settle });
    });
    if ("error" in outcome) throw outcome.error;
  }

  /** Resolves when nothing is queued. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #enqueue(repository: RepositoryName, waiting: Waiting): void {
    const queue = this.#queues.get(repository);
    if (queue !== undefined) {
      queue.push(waiting);
      return;
    }
    this.#queues.set(repository, [waiting]);
    const running = this.#drain(repository).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #drain(repository: RepositoryName): Promise<void> {
    for (;;) {
      const batch = this.#queues.get(repository)?.splice(0, TOGETHER) ?? [];
      if (batch.length === 0) break;
      const outcomes = await this.#write(
        repository,
        batch.map(({ transaction }) => transaction),
      );
      batch.forEach(({ transaction, settle }, at) => {
        const outcome = outcomes[at] ?? { error: new LayerdError("INTERNAL") };
        this.#tell(repository, transaction, outcome);
        settle(outcome);
      });
    }
    this.#queues.delete(repository);
  }

  #tell(repository: RepositoryName, { who, request, mount }: Transaction, outcome: Outcome): void {
    if ("error" in outcome || outcome.changes.length === 0) return;
    const { at, changes } = outcome;
    const commit: Commit = { repository, at, who, request, mount, changes };
    this.#onCommit?.(commit);
  }

  /** @returns what came of each; when the database fails, the same of all. */
  async #write(repository: RepositoryName, batch: readonly Transaction[]): Promise<Outcome[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#attempt(repository, batch);
      } catch (error) {
        if (isConflict(error) && tries < TRIES) continue;
        return batch.map(() => ({ error: toStoreError(error) }));
      }
    }
  }

  async #attempt(repository: RepositoryName, batch: readonly Transaction[]): Promise<Outcome[]> {
    return await transaction(this.#pool, (connection) => writeBatch(connection, repository, batch));
  }
}

async function writeBatch(
  connection: Connection,
  repository: RepositoryName,
  batch: readonly Transaction[],
): Promise<Outcome[]> {
  const place = await lock(connection, repository);
  await give(
    connection,
    batch.flatMap(({ changes }) => promised(changes)),
  );
  const removing = batch.flatMap(({ requires = [] }) =>
    requires.flatMap((requirement) => (requirement.type === "unpromised" ? [requirement.digest] : [])),
  );
  const held = await lockUnpromised(connection, removing);
  const state = await readSlice(connection, place, keysOf(batch));
  const before = entriesOf(state);
  const at = new Date().toISOString();
  const outcomes = batch.map((transaction) => decide(state, transaction, (digest) => held.has(digest), at));
  const changes = outcomes.flatMap((outcome) => ("error" in outcome ? [] : outcome.changes));
  await give(connection, untagged(changes));
  if (changes.length > 0) await writeDifference(connection, place.id, before, state);
  // What nothing has ever been recorded of is no repository.
  else if (place.created) await run(connection, STATEMENTS.remove, [place.id]);
  return outcomes;
}

function decide(
  state: RepositoryState,
  { requires = [], changes }: Transaction,
  held: Parameters<typeof check>[2],
  at: string,
): Outcome {
  try {
    check(state, requires, held);
  } catch (error) {
    return { error };
  }
  return { at, changes: changes.flatMap((change) => fold(state, change, at) ?? []) };
}

interface Place {
  readonly id: number;
  /** The last one that was given away. */
  readonly position: number;
  readonly created: boolean;
}

/** Keeps everybody else from changing the repository until the transaction ends; makes it when there is none. */
async function lock(connection: Connection, repository: RepositoryName): Promise<Place> {
  for (;;) {
    for (const created of [false, true]) {
      const statement = created ? STATEMENTS.create : STATEMENTS.lock;
      const [found] = await run<Omit<Place, "created">>(connection, statement, [repository]);
      if (found !== undefined) return { ...found, created };
    }
  }
}
