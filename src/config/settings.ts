import type { RepositoryRule } from "../core/rules.ts";
import {
  boolean,
  count,
  duration,
  type Kind,
  list,
  oneOf,
  port,
  portOrOff,
  repositoryName,
  size,
  some,
  text,
} from "./kinds.ts";
import { type RuleOptions, repositoryRules } from "./rules.ts";

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

function setting<T>(kind: Kind<T>, about: About<NoInfer<T>>): Setting<T> {
  return Object.freeze({ ...kind, ...about });
}

const ADDRESS = text("an address or a name such as 127.0.0.1, ::1 or localhost", /^[^\s/[\]]+$/);
const HOST = text("a host name such as layers.example.com, without http:// and path", /^[^\s/,]+$/);
const ORIGIN = text(
  "an origin such as https://app.example.com, without a path",
  /^[a-z][a-z0-9+.-]*:\/\/[^\s/,]+$/i,
);
const PATH = text("a path", /\S/);
const PATH_OR_NONE = text("a path", /^$|\S/);

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

/** What a store needs, whoever serves it. */
export const STORE_SETTINGS = {
  data: setting(PATH, {
    default: "data",
    help: "Directory that holds everything stored; it is created when it is not there.",
    group: "Storage",
    placeholder: "dir",
  }),
  memory: setting(boolean, {
    default: false,
    help: "Keep everything in memory: nothing touches the disk, and nothing survives a restart.",
    group: "Storage",
    placeholder: "",
  }),
  memoryLimit: setting(size, {
    default: 1024 ** 3,
    help: "Bytes that a store in memory may hold; what does not fit is refused.",
    group: "Storage",
    placeholder: "size",
  }),
  durability: setting(oneOf("full", "os"), {
    default: "full",
    help: "full: on the disk before it is acknowledged; os: leaves that to the kernel, for caches.",
    group: "Storage",
    placeholder: "mode",
  }),
  minFree: setting(size, {
    default: 256 * 1024 ** 2,
    help: "Uploads are refused while the disk has less free space than this; reads go on.",
    group: "Storage",
    placeholder: "size",
  }),
  repository: setting(repositoryName, {
    default: "library",
    help: "Repository that /layer and /manifest show.",
    group: "Storage",
    placeholder: "name",
  }),
  sparse: setting(boolean, {
    default: false,
    help: "Accept manifests that name layers or manifests which are not here.",
    group: "Repositories",
    placeholder: "",
  }),
  rules: setting(repositoryRules, {
    default: [],
    help: "Rule for some repositories, in JSON (docs/rules.md): immutable tags, sizes and more; can be repeated.",
    group: "Repositories",
    placeholder: "json",
    flag: "rule",
  }),
  maxLayerSize: setting(size, {
    default: 256 * 1024 ** 3,
    help: "Largest layer that is accepted.",
    group: "Limits",
    placeholder: "size",
  }),
  maxManifestSize: setting(size, {
    // What distribution-spec §Pushing Manifests says clients may expect, in the larger megabytes.
    default: 4 * 1024 ** 2,
    help: "Largest manifest that is accepted.",
    group: "Limits",
    placeholder: "size",
  }),
  maxUnpackedSize: setting(size, {
    default: 64 * 1024 ** 3,
    help: "Bytes to which a compressed layer of a manifest may unpack.",
    group: "Limits",
    placeholder: "size",
  }),
  unpackTimeout: setting(duration, {
    default: 10 * 60_000,
    help: "Time that unpacking one layer of a manifest may take.",
    group: "Limits",
    placeholder: "time",
  }),
  uploadTtl: setting(duration, {
    default: 24 * 3_600_000,
    help: "An unfinished upload can be resumed for this long after its last byte.",
    group: "Limits",
    placeholder: "time",
  }),
  idleTimeout: setting(duration, {
    default: 60_000,
    help: "A connection on which nothing moves for this long is closed.",
    group: "Limits",
    placeholder: "time",
  }),
  clientRequests: setting(count, {
    default: 0,
    help: "Requests a second that one client may make, ten seconds' worth at once; 0 is no limit.",
    group: "Limits",
    placeholder: "number",
  }),
  clientUploads: setting(count, {
    default: 0,
    help: "Uploads that one client may have under way at a time; 0 is no limit.",
    group: "Limits",
    placeholder: "number",
  }),
  clientBytes: setting(size, {
    default: 0,
    help: "Bytes that one client may send in an hour; 0 is no limit.",
    group: "Limits",
    placeholder: "size",
  }),
  gc: setting(boolean, {
    default: true,
    help: "Collect what nobody needs any more, while requests are being answered (docs/gc.md).",
    group: "Garbage collection",
    placeholder: "",
  }),
  gcInterval: setting(duration, {
    default: 3_600_000,
    help: "Time from the end of one collection to the next.",
    group: "Garbage collection",
    placeholder: "time",
  }),
  gcGrace: setting(duration, {
    default: 24 * 3_600_000,
    help: "What nobody needs is kept for so long at least after somebody was told that it is there.",
    group: "Garbage collection",
    placeholder: "time",
  }),
  trashTtl: setting(duration, {
    default: 24 * 3_600_000,
    help: "What was collected can be restored for this long.",
    group: "Garbage collection",
    placeholder: "time",
  }),
  scrubRate: setting(size, {
    default: 16 * 1024 ** 2,
    help: "Bytes a second that are read in the background and compared with their digests; 0: none (docs/scrub.md).",
    group: "Scrubbing",
    placeholder: "size",
  }),
  scrubInterval: setting(duration, {
    default: 7 * 24 * 3_600_000,
    help: "Time from the end of one scrub of the whole store to the next.",
    group: "Scrubbing",
    placeholder: "time",
  }),
  allowedHosts: setting(list(HOST), {
    default: [],
    help: "Host name answered besides the loopback ones when listening on loopback; can be repeated.",
    group: "Access",
    placeholder: "name",
    flag: "allowed-host",
  }),
  allowedOrigins: setting(list(ORIGIN), {
    default: [],
    help: "Origin whose web pages may read and change what is stored (CORS); can be repeated.",
    group: "Access",
    placeholder: "origin",
    flag: "allowed-origin",
  }),
  trustProxy: setting(boolean, {
    default: false,
    help: "Believe X-Forwarded-* and X-Request-Id: only behind a proxy that sets them.",
    group: "Access",
    placeholder: "",
  }),
  auditLog: setting(PATH_OR_NONE, {
    default: "",
    help: "File that says who changed what, in JSON lines (docs/operations.md). SIGHUP opens it anew.",
    group: "Operations",
    placeholder: "file",
  }),
  auditLogSize: setting(size, {
    default: 100 * 1024 ** 2,
    help: "An audit log that has become so large is put aside, and a new one begun.",
    group: "Operations",
    placeholder: "size",
  }),
  auditLogFiles: setting(some, {
    default: 10,
    help: "Audit logs put aside that are kept; the oldest is deleted.",
    group: "Operations",
    placeholder: "number",
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
export const SETTINGS = { ...LISTENING, ...STORE_SETTINGS, ...METRICS, ...LOGGING };

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
