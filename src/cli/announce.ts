import { hasDirectory, type ServerConfig } from "../config.ts";
import { banner, type Whereabouts } from "./banner.ts";
import type { Log } from "./log.ts";

/** Tells whoever started a server that it listens. */
export function announce(config: ServerConfig, where: Whereabouts, log: Log): void {
  const { host, data, durability } = config;
  process.stderr.write(banner(config, where));
  if (log.format !== "json") return;
  const addresses = { host, ...definedOf(where) };
  log.logger.info({ ...addresses, data: hasDirectory(config) ? data : null, durability }, "listening");
}

function definedOf(where: Whereabouts): object {
  return Object.fromEntries(Object.entries(where).filter(([, value]) => value !== undefined));
}

/** For those who move the audit log away themselves, as logrotate does. */
export function reopenAudit(reopen: () => Promise<void>, log: Log): void {
  reopen().then(
    () => log.logger.info("the audit log has been opened anew"),
    (error: Error) => log.logger.error(`the audit log stays in its old file: ${error.message}`),
  );
}
