import { isLayerdError } from "../core/errors.ts";
import { DataDirectoryError } from "../data-directory.ts";
import { DatabaseError } from "../postgres/database-error.ts";

/** A failure that is no fault of layerd's, as one sentence for whoever started it. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/** Their messages are meant for whoever started the process. */
const OURS = [StartError, DataDirectoryError, DatabaseError];

/** One sentence where the cause is known, else everything there is to know: that is a fault of layerd's. */
export function explainFailure(error: unknown): string {
  if (OURS.some((kind) => error instanceof kind) || isLayerdError(error)) return (error as Error).message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Why a server could not listen; other errors as they came. */
export function explainListening(
  error: NodeJS.ErrnoException,
  { host, port, flags }: { host: string; port: number; flags: { host: string; port: string } },
): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new StartError(
        `port ${port} of ${host} is taken by another program; ${flags.port} chooses another, 0 any free one`,
      );
    case "EACCES":
      return new StartError(`there is no permission to listen on port ${port}; ports from 1024 on need none`);
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
      return new StartError(`${host} is not an address of this machine; 0.0.0.0 listens on all of them`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new StartError(
        `the host name ${host} is not known here; ${flags.host} takes an address of this machine`,
      );
    default:
      return error;
  }
}
