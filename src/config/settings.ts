import type { RepositoryRule } from "../core/rules.ts";
import { oneOf, port, portOrOff, someOrAuto, text } from "./kinds.ts";
import type { RuleOptions } from "./rules.ts";
import { type Setting, setting } from "./setting.ts";
import { PATH, STORE_SETTINGS } from "./store-settings.ts";

export type { Setting };
export { STORE_SETTINGS };

const ADDRESS = text("an address or a name such as 127.0.0.1, ::1 or localhost", /^[^\s/[\]]+$/);
const LISTENING = {
  port: setting(port, {
    default: 4000,
    help: "Port to listen on; 0 takes any free one.",
    group: "Listening",
    placeholder: "number",
  }),
  host: setting(ADDRESS, {
    default: "127.0.0.1",
    help: "Address to listen on; 0.0.0.0 is every IPv4 address of this machine.",
    group: "Listening",
    placeholder: "address",
  }),
  tlsCert: setting(PATH, {
    default: "",
    help: "PEM file of the certificate and its chain: HTTPS and HTTP/2 instead of plain HTTP (docs/tls.md).",
    group: "Listening",
    placeholder: "file",
  }),
  tlsKey: setting(PATH, {
    default: "",
    help: "PEM file of the certificate's private key. SIGHUP reads both files again.",
    group: "Listening",
    placeholder: "file",
  }),
};

const WORKERS = {
  workers: setting(someOrAuto, {
    default: 1,
    help: "Processes that share the port, with an index in PostgreSQL (docs/operations.md); auto: one for each processor.",
    group: "Operations",
    placeholder: "number",
  }),
};

const METRICS = {
  metricsPort: setting(portOrOff, {
    default: "off",
    help: "Port on which Prometheus finds /metrics (docs/operations.md), and nothing else; 0 takes any free one.",
    group: "Operations",
    placeholder: "number",
  }),
  metricsHost: setting(ADDRESS, {
    default: "127.0.0.1",
    help: "Address to listen on for Prometheus; whoever reaches it may read the metrics.",
    group: "Operations",
    placeholder: "address",
  }),
};

const LOGGING = {
  logLevel: setting(oneOf("trace", "debug", "info", "warn", "error", "silent"), {
    default: "info",
    help: "Least severe level that is logged; debug shows the headers that clients send.",
    group: "Log",
    placeholder: "level",
  }),
  logFormat: setting(oneOf("auto", "pretty", "json"), {
    default: "auto",
    help: "auto: pretty on a terminal, JSON lines elsewhere.",
    group: "Log",
    placeholder: "format",
  }),
};

/** Every setting there is, in the order in which help, `layerd config` and the README show them. */
export const SETTINGS = { ...LISTENING, ...STORE_SETTINGS, ...WORKERS, ...METRICS, ...LOGGING };

type ValuesOf<Table> = { readonly [K in keyof Table]: Table[K] extends Setting<infer T> ? T : never };

/** What a store needs. Sizes in bytes, durations in milliseconds. */
export type StoreConfig = ValuesOf<typeof STORE_SETTINGS>;
/** A store's settings as code may give them: sizes and durations also as they are written in a file. */
export type StoreOptions = { readonly [K in keyof StoreConfig]?: StoreConfig[K] | Written<StoreConfig[K]> };
type Written<T> = T extends number
  ? string
  : T extends readonly RepositoryRule[]
    ? readonly RuleOptions[]
    : never;
/** Everything that `layerd serve` needs. Sizes in bytes, durations in milliseconds. */
export type ServerConfig = ValuesOf<typeof SETTINGS>;
export type SettingKey = keyof typeof SETTINGS;

/** A setting without its type, for code that treats all alike. */
export interface NamedSetting extends Setting<unknown> {
  readonly key: SettingKey;
  /** `--max-layer-size` */
  readonly flag: string;
  /** `LAYERD_MAX_LAYER_SIZE` */
  readonly variable: string;
}

export const ALL_SETTINGS: readonly NamedSetting[] = Object.entries(SETTINGS).map(([key, about]) => ({
  ...(about as Setting<unknown>),
  key: key as SettingKey,
  flag: `--${"flag" in about ? about.flag : words(key).join("-")}`,
  variable: `LAYERD_${words(key).join("_").toUpperCase()}`,
}));

function words(key: string): string[] {
  return key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
