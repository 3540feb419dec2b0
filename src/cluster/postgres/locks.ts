import { setTimeout as delay } from "node:timers/promises";
import { LayerdError } from "../../core/errors.ts";
import type { Session, SessionLock } from "../../postgres/session.ts";
import type { Lock, Locks } from "../port.ts";

// Milliseconds that whoever has a lock is given to let go of it (it may have to sync what it has), between two looks, and
// until it is asked again.
const LET_GO_WITHIN = 20_000;
const LOOK_EVERY = 20;
const ASK_EVERY = 500;
const ASKED = "release ";

/** Locks of the database, which servers ask each other for. */
export class PostgresLocks implements Locks {
  readonly #session: Session;
  readonly #held = new Map<string, AbortController>();

  constructor(session: Session) {
    this.#session = session;
    session.listen((message) => {
      if (message.startsWith(ASKED)) this.#letGo(message.slice(ASKED.length));
    });
  }

  async take(name: string): Promise<Lock> {
    const until = Date.now() + LET_GO_WITHIN;
    for (let asked = 0; ; ) {
      const lock = await this.#session.tryLock(name);
      if (lock !== undefined) return this.#hold(name, lock);
      const now = Date.now();
      if (now > until) throw busy();
      // Again after a while: it may have come into other hands, whose owner had not got it yet when it was asked for.
      if (now - asked >= ASK_EVERY) {
        await this.#session.tell(`${ASKED}${name}`);
        asked = now;
      }
      await delay(LOOK_EVERY);
    }
  }

  #hold(name: string, lock: SessionLock): Lock {
    const ending = new AbortController();
    // Not `AbortSignal.any`: whoever listens to that stays in memory for as long as the connection lasts.
    const onLost = () => ending.abort(lock.signal.reason);
    lock.signal.addEventListener("abort", onLost);
    if (lock.signal.aborted) onLost();
    this.#held.set(name, ending);
    return {
      signal: ending.signal,
      get lost() {
        return lock.signal.aborted;
      },
      release: async () => {
        lock.signal.removeEventListener("abort", onLost);
        if (this.#held.get(name) === ending) this.#held.delete(name);
        await lock.release();
      },
    };
  }

  #letGo(name: string): void {
    this.#held.get(name)?.abort(new LayerdError("UNAVAILABLE", "another server goes on with this"));
  }
}

function busy(): LayerdError {
  return new LayerdError("UNAVAILABLE", "another server is still working on this; try again", {
    headers: { "Retry-After": "1" },
  });
}
