import { isLayerdError } from "../core/errors.ts";
import { StartError } from "../core/start-error.ts";

export { StartError };

/** One sentence where the cause is known, else everything there is to know: that is a fault of layerd's. */
export function explainFailure(error: unknown): string {
  if (error instanceof StartError || isLayerdError(error)) return error.message;
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
