import { isLayerdError, LayerdError } from "../core/errors.ts";

/*
 * Codes are those of PostgreSQL's manual, appendix A; without one, it is the connection that failed.
 */

// Classes: connection, insufficient resources, program limits, operator intervention, system error.
const UNAVAILABLE_CLASSES = ["08", "53", "54", "57", "58"];
// Invalid authorization, a lock that was not to be had in time, no such database.
const UNAVAILABLE_CODES = ["28000", "28P01", "55P03", "3D000"];
// A transaction that would have written.
const READ_ONLY = "25006";
// Seconds: a database that fails over or starts anew takes about so long.
const RETRY_AFTER = "5";
// Serialization failure, deadlock.
const AGAIN = ["40001", "40P01"];

function codeOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Whether the transaction was taken back because others were at the same rows: it may be tried again at once. */
export function isConflict(error: unknown): boolean {
  return AGAIN.includes(codeOf(error) ?? "");
}

// What is thrown by code that is wrong; what sockets and their timeouts throw is none of these.
const MISTAKES = [TypeError, RangeError, ReferenceError, SyntaxError];

/** What a caller is told: UNAVAILABLE when the database could not do it; what is wrong with a statement stays as it is. */
export function toStoreError(error: unknown): unknown {
  if (isLayerdError(error)) return error;
  const why = whyUnavailable(error);
  if (why === undefined) return error;
  return new LayerdError("UNAVAILABLE", `${why}; try again`, {
    headers: { "Retry-After": RETRY_AFTER },
    cause: error,
  });
}

function whyUnavailable(error: unknown): string | undefined {
  const code = codeOf(error);
  if (code === READ_ONLY) return "the database is read-only";
  const silent =
    code === undefined
      ? !MISTAKES.some((kind) => error instanceof kind)
      : isConflict(error) ||
        UNAVAILABLE_CODES.includes(code) ||
        UNAVAILABLE_CLASSES.includes(code.slice(0, 2));
  return silent ? "the database does not answer" : undefined;
}
