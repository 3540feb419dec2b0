import { Counter, Gauge, type Registry } from "prom-client";
import { Durations, type Observed } from "./durations.ts";
import type { Sources } from "./sources.ts";

type Labels = Readonly<Record<string, string>>;
type Read = () => Reading | Promise<Reading>;
/** A number, several with labels, or nothing that is known now. */
type Reading = number | undefined | Iterable<readonly [Labels, number]>;

/** What processes that share a store say together: the sum of what each has, or of what they all see, one value. */
type Across = "sum" | "max" | "min" | "first";

/** Describes metrics whose values stand elsewhere, and are read when they are asked for. */
export class Reporter {
  readonly #registers: [Registry];
  readonly #onUnread: Sources["onUnread"];

  /** @param onUnread told of a gauge that cannot be read. It is left out: the others are needed then more than ever. */
  constructor(registry: Registry, onUnread: Sources["onUnread"] = rethrow) {
    this.#registers = [registry];
    this.#onUnread = onUnread;
  }

  counter(name: string, help: string, read: Read, labelNames: readonly string[] = []): void {
    new Counter({
      ...this.#about(name, help, labelNames),
      async collect() {
        const values = valuesOf(await read());
        this.reset();
        for (const [labels, value] of values) this.inc(labels, value);
      },
    });
  }

  gauge(
    name: string,
    help: string,
    read: Read,
    { labelNames = [], across = "sum" }: { labelNames?: readonly string[]; across?: Across } = {},
  ): void {
    const readable = () => this.#readable(name, read);
    new Gauge({
      ...this.#about(name, help, labelNames),
      aggregator: across,
      async collect() {
        const values = valuesOf(await readable());
        this.reset();
        if (values.length === 0 && labelNames.length === 0) this.remove();
        for (const [labels, value] of values) this.set(labels, value);
      },
    });
  }

  histogram(
    name: string,
    help: string,
    read: () => Iterable<Observed>,
    about: { readonly bounds: readonly number[]; readonly labelNames: readonly string[] },
  ): void {
    new Durations({ ...this.#about(name, help, about.labelNames), buckets: [...about.bounds] }, read);
  }

  async #readable(name: string, read: Read): Promise<Reading> {
    try {
      return await read();
    } catch (error) {
      this.#onUnread(error, name);
      return undefined;
    }
  }

  #about(name: string, help: string, labelNames: readonly string[]) {
    return { name, help, labelNames: [...labelNames], registers: this.#registers };
  }
}

function valuesOf(reading: Reading): readonly (readonly [Labels, number])[] {
  if (reading === undefined) return [];
  return typeof reading === "number" ? [[{}, reading]] : [...reading];
}

function rethrow(error: unknown): never {
  throw error;
}
