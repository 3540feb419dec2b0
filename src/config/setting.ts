import type { Kind } from "./kinds.ts";

/** One setting. Its flag and its variable follow from its key: `maxLayerSize`, `--max-layer-size`, `LAYERD_MAX_LAYER_SIZE`. */
export interface Setting<T> extends Kind<T> {
  readonly default: T;
  /** One sentence. */
  readonly help: string;
  /** The heading under which help shows it. */
  readonly group: string;
  /** What stands for the value in help: `--port <number>`. */
  readonly placeholder: string;
  /** The flag's name where it is not the key's: a list is given item by item. */
  readonly flag?: string;
}

type About<T> = Omit<Setting<T>, keyof Kind<T>>;

/** Keeps what was declared from being changed. */
export function setting<T>(kind: Kind<T>, about: About<NoInfer<T>>): Setting<T> {
  return Object.freeze({ ...kind, ...about });
}
