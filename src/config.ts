import { type Resolved, resolve, type Source } from "./config/resolve.ts";
import type { ServerConfig } from "./config/settings.ts";
import {
  CONFIG_FILE_VARIABLE,
  type Environment,
  environmentSource,
  fileSource,
  flagSource,
} from "./config/sources.ts";

export { type BucketPlace, bucketOf } from "./config/blobs-place.ts";
export { configAsJson, describeConfig, flagUsage, settingsTable } from "./config/describe.ts";
export { FILES, withoutPassword } from "./config/index-place.ts";
export { check, size } from "./config/kinds.ts";
export { didYouMean } from "./config/nearest.ts";
export { hasDirectory, isShared } from "./config/places.ts";
export {
  ConfigError,
  type Origin,
  type Resolved,
  resolve,
  resolveStoreConfig,
  type Source,
  storeConfigOf,
} from "./config/resolve.ts";
export type { RuleOptions } from "./config/rules.ts";
export {
  ALL_SETTINGS,
  type NamedSetting,
  type ServerConfig,
  type SettingKey,
  type StoreConfig,
  type StoreOptions,
} from "./config/settings.ts";

/**
 * The configuration in force: flags, else environment, else file, else defaults.
 * @param flags values by the settings' keys, and the config file under `config`.
 * @throws ConfigError
 */
export function loadConfig(
  flags: Readonly<Record<string, unknown>> = {},
  environment: Environment = process.env,
): Resolved {
  return resolve(readSources(flags, environment));
}

/** What was written, before anything is made of it, for processes that are to have the same settings. @throws ConfigError */
export function readSources(
  flags: Readonly<Record<string, unknown>>,
  environment: Environment = process.env,
): readonly Source[] {
  const file = typeof flags.config === "string" ? flags.config : environment[CONFIG_FILE_VARIABLE];
  const written = [flagSource(flags), environmentSource(environment)];
  return file === undefined || file === "" ? written : [...written, fileSource(file)];
}

/** What a config file says, without flags and environment: those are of one store, and a file may name another. */
export function loadConfigFile(path: string): ServerConfig {
  return resolve([fileSource(path)]).config;
}

/** Everything by default, in a data directory. */
export function configOfData(data: string): ServerConfig {
  return resolve([flagSource({ data })]).config;
}
