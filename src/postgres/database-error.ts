import { StartError } from "../core/start-error.ts";

/** Why a database cannot be used, in one sentence for whoever started the process. */
export class DatabaseError extends StartError {
  override readonly name = "DatabaseError";
}
