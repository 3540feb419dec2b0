/** Why a database cannot be used, in one sentence for whoever started the process. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
}
