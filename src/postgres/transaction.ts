import type pg from "pg";
import type { Connection } from "./statement.ts";

/** Runs `work` in a transaction, which is undone as a whole when it throws. Errors come as they are. */
export async function transaction<T>(
  pool: pg.Pool,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("begin");
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    // One whose transaction could not be ended is not used again.
    client.release(broken);
  }
}
