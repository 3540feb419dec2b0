import { availableParallelism } from "node:os";
import { ConfigError, isShared, type ServerConfig } from "../../config.ts";

/** How many processes are to serve. @throws ConfigError when the store is one that only one process may have. */
export function countWorkers(config: ServerConfig): number {
  const { workers, memory } = config;
  if (workers === 1) return 1;
  if (memory) {
    throw new ConfigError(
      "--workers needs a store that processes can share, and what is in memory belongs to one: an index in PostgreSQL is needed (docs/database.md)",
    );
  }
  if (!isShared(config)) {
    throw new ConfigError(
      "--workers needs an index in PostgreSQL, for one in files is written by one process: --index takes its URL (docs/database.md)",
    );
  }
  return workers === "auto" ? availableParallelism() : workers;
}
