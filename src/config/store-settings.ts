import { FILES, indexPlace } from "./index-place.ts";
import { boolean, count, duration, list, oneOf, repositoryName, size, some, text } from "./kinds.ts";
import { repositoryRules } from "./rules.ts";
import { S3_SETTINGS } from "./s3-settings.ts";
import { setting } from "./setting.ts";

const HOST = text("a host name such as layers.example.com, without http:// and path", /^[^\s/,]+$/);
const ORIGIN = text(
  "an origin such as https://app.example.com, without a path",
  /^[a-z][a-z0-9+.-]*:\/\/[^\s/,]+$/i,
);
export const PATH = text("a path", /\S/);
const PATH_OR_NONE = text("a path", /^$|\S/);
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
  index: setting(indexPlace, {
    default: FILES,
    help: "Where it is kept what repositories hold: files in the data directory, or a PostgreSQL database (docs/database.md).",
    group: "Storage",
    placeholder: "url",
  }),
  indexConnections: setting(some, {
    default: 10,
    help: "Connections to that database that are open at a time.",
    group: "Storage",
    placeholder: "number",
  }),
  ...S3_SETTINGS,
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
    help: "What was collected can be restored, and what was quarantined be looked into, for this long.",
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
