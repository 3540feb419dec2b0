import type pg from "pg";

/** One statement, prepared once a connection under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** A pool, or one connection of it. */
export type Connection = Pick<pg.ClientBase, "query">;

/** Runs it. @returns its rows. */
export async function run<R extends object>(
  connection: Connection,
  { name, text }: Statement,
  values: readonly unknown[],
): Promise<R[]> {
  const { rows } = await connection.query<R>({ name, text, values: [...values] });
  return rows;
}

/** Statements by their names; each is known to PostgreSQL as `area.name`. */
export function statements<const N extends string>(
  area: string,
  texts: Readonly<Record<N, string>>,
): Readonly<Record<N, Statement>> {
  const named = Object.entries<string>(texts).map(([name, text]) => [
    name,
    { name: `${area}.${name}`, text },
  ]);
  return Object.fromEntries(named);
}
