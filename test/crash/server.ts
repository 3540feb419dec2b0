import { createInterface } from "node:readline";
import { launchServer, type StartingServer } from "../tools/process.ts";

/** What a server has collected so far. */
export interface Collected {
  manifests: number;
  links: number;
  blobs: number;
  purged: number;
}

/** The real server, killed by whoever started it; what it logs as an error is kept, and what it collects counted. */
export class Server {
  readonly collected: Collected = { manifests: 0, links: 0, blobs: 0, purged: 0 };
  readonly errors: string[] = [];
  readonly startedAt = Date.now();
  readonly #process: StartingServer;
  readonly #ended: Promise<unknown>;

  private constructor(args: readonly string[]) {
    this.#process = launchServer(args);
    const { stdout, stderr } = this.#process.child;
    for (const stream of [stdout, stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#read(line));
    }
    process.once("exit", this.#abandon);
    this.#ended = new Promise((resolve) => this.#process.child.once("close", resolve));
    // One that is killed before it listens has announced nothing, and need not.
    this.#process.announced.catch(() => undefined);
  }

  static launch(args: readonly string[]): Server {
    return new Server(args);
  }

  /** Its address, once it answers. */
  get url(): Promise<string> {
    return this.#process.announced;
  }

  get pid(): number {
    return this.#process.child.pid ?? 0;
  }

  /** Resolves when all that it has logged has been read. */
  async kill(): Promise<void> {
    await this.#process.kill();
    process.off("exit", this.#abandon);
    await this.#ended;
  }

  /** No server outlives whoever started it. */
  readonly #abandon = (): void => {
    this.#process.child.kill("SIGKILL");
  };

  #read(line: string): void {
    if (line.includes('"msg":"garbage collected"')) {
      const entry = JSON.parse(line) as Collected;
      for (const key of Object.keys(this.collected) as (keyof Collected)[]) this.collected[key] += entry[key];
    } else if (/"level":"(?:error|fatal)"/.test(line) || /^\s+at |Error: /.test(line)) {
      this.errors.push(line);
    }
  }
}
