import type { StoreOptions } from "../../src/config.ts";
import { database } from "./postgres.ts";

/** The variable that says of what the servers under test are made: `postgres`, or else as each test says. */
export const ARRANGEMENT = "LAYERD_TEST_ARRANGEMENT";

/** Which database goes with which data directory, for tests that start a server anew. */
const databases = new Map<string, Promise<string>>();

/** What a test asks for, on the engines that the whole run is about. */
export async function arranged(data: string, config: StoreOptions): Promise<StoreOptions> {
  if (process.env[ARRANGEMENT] !== "postgres") return { data, ...config };
  const { memory: _memory, memoryLimit: _limit, ...rest } = config;
  const index = databases.get(data) ?? database();
  databases.set(data, index);
  return { data, index: await index, ...rest };
}
