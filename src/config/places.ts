import { FILES } from "./index-place.ts";
import type { StoreConfig } from "./settings.ts";

type Places = Pick<StoreConfig, "memory" | "index" | "blobs">;

/** Whether something is kept in the data directory. */
export function hasDirectory({ memory, blobs }: Places): boolean {
  return !memory && blobs === FILES;
}

/** Whether any number of processes may use the store at the same time. */
export function isShared({ memory, index }: Places): boolean {
  return !memory && index !== FILES;
}
