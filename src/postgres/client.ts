import pg from "pg";

// Milliseconds. A database that does not answer a goodbye finds out by itself.
const GOODBYE_WITHIN = 2000;

/**
 * A connection that ends with its first fault, and when it is told to. The driver leaves one that fails while it is being
 * made (for want of a password, say) to the database to give up, and a process that has nothing else to do waits for that.
 */
export class Client extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const { connection } = this;
    connection.on("error", () => connection.stream.destroy());
  }

  override end(): Promise<void>;
  override end(callback: (error: Error) => void): void;
  override end(callback?: (error: Error) => void): Promise<void> | undefined {
    const { connection } = this;
    const giveUp = setTimeout(() => connection.stream.destroy(), GOODBYE_WITHIN).unref();
    connection.once("end", () => clearTimeout(giveUp));
    if (callback === undefined) return super.end();
    super.end(callback);
    return undefined;
  }
}

// Modes that the driver takes for verify-full, warning of the day when it will not.
const VERIFYING = ["prefer", "require", "verify-ca"];

/** The URL of a database, for the driver: TLS that is asked for is TLS with a certificate that is verified. */
export function connectionString(url: string): string {
  const parsed = new URL(url);
  if (!VERIFYING.includes(parsed.searchParams.get("sslmode") ?? "")) return url;
  if (parsed.searchParams.has("uselibpqcompat")) return url;
  parsed.searchParams.set("sslmode", "verify-full");
  return parsed.href;
}

/** The URL, with options of the server, as on its command line, behind those that it has: the last one counts. */
export function withOptions(url: string, options: string): string {
  const parsed = new URL(url);
  const others = parsed.searchParams.get("options") ?? "";
  parsed.searchParams.set("options", `${others} ${options}`.trim());
  return parsed.href;
}
