import { jsonPath } from "../core/validate.ts";
import { check } from "./kinds.ts";
import { didYouMean } from "./nearest.ts";
import {
  ALL_SETTINGS,
  type NamedSetting,
  type ServerConfig,
  type SettingKey,
  STORE_SETTINGS,
  type StoreConfig,
  type StoreOptions,
} from "./settings.ts";

/** A setting that makes no sense. The message is one sentence for whoever wrote it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Where a value came from: a flag, a variable, a file, or nowhere (`default`). */
export interface Origin {
  readonly kind: "default" | "flag" | "environment" | "file";
  /** `--port`, `LAYERD_PORT`, the file's path; empty for a default. */
  readonly name: string;
}

/** Raw values of one kind of source, by key, each with the name under which somebody wrote it. */
export interface Source {
  readonly kind: Exclude<Origin["kind"], "default">;
  readonly values: ReadonlyMap<SettingKey, { readonly written: unknown; readonly name: string }>;
}

export interface Resolved {
  readonly config: ServerConfig;
  readonly origins: Readonly<Record<SettingKey, Origin>>;
}

/** The first source that has a value decides. @throws ConfigError */
export function resolve(sources: readonly Source[]): Resolved {
  const config: Partial<Record<SettingKey, unknown>> = {};
  const origins: Partial<Record<SettingKey, Origin>> = {};
  for (const setting of ALL_SETTINGS) {
    const { value, origin } = resolveOne(setting, sources);
    config[setting.key] = value;
    origins[setting.key] = origin;
  }
  return { config: Object.freeze(config) as ServerConfig, origins: origins as Resolved["origins"] };
}

function resolveOne(setting: NamedSetting, sources: readonly Source[]): { value: unknown; origin: Origin } {
  for (const { kind, values } of sources) {
    const found = values.get(setting.key);
    if (found === undefined) continue;
    const subject = kind === "file" ? `${found.name}: ${setting.key}` : found.name;
    const value = checked(setting, { subject, written: found.written, read: setting.read(found.written) });
    return { value, origin: { kind, name: found.name } };
  }
  return { value: Object.freeze(setting.default), origin: { kind: "default", name: "" } };
}

/**
 * Completes what code has set with the defaults.
 * @throws ConfigError for an unknown key or a value of the wrong type.
 */
export function resolveStoreConfig(given: StoreOptions): StoreConfig {
  const known = Object.keys(STORE_SETTINGS);
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new ConfigError(
      ALL_SETTINGS.some(({ key }) => key === unknown)
        ? `${unknown} is a setting of the server, which is the host application here`
        : `there is no setting ${unknown}; ${didYouMean(unknown, known)}`,
    );
  }
  const settings = ALL_SETTINGS.filter(({ key }) => known.includes(key));
  const entries = settings.map((setting) => {
    const written = given[setting.key as keyof StoreConfig] ?? setting.default;
    const read = typeof written === "string" ? setting.read(written) : written;
    return [setting.key, checked(setting, { subject: setting.key, written, read })];
  });
  return Object.freeze(Object.fromEntries(entries)) as StoreConfig;
}

/** The part of a server's configuration that its store needs. */
export function storeConfigOf(config: ServerConfig): StoreConfig {
  const keys = Object.keys(STORE_SETTINGS) as (keyof StoreConfig)[];
  return Object.freeze(Object.fromEntries(keys.map((key) => [key, config[key]]))) as StoreConfig;
}

function checked(
  setting: NamedSetting,
  about: { subject: string; written: unknown; read: unknown },
): unknown {
  const result = check(setting, about.written, about.read);
  if ("value" in result) return result.value;
  throw new ConfigError(`${about.subject}${jsonPath(result.path).slice(1)}: ${result.message}`);
}
