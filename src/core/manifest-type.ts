import { essenceOf, MEDIA_TYPE } from "./media-type.ts";
import { faultsError } from "./validate.ts";

export type ManifestKind = "image" | "index";

const KINDS: ReadonlyMap<string, ManifestKind> = new Map([
  [MEDIA_TYPE.manifest, "image"],
  [MEDIA_TYPE.index, "index"],
  [MEDIA_TYPE.dockerManifest, "image"],
  [MEDIA_TYPE.dockerList, "index"],
]);

// What curl, fetch and scripts send when nobody told them better.
const TELLS_NOTHING = [
  "",
  "application/json",
  "application/octet-stream",
  "application/x-www-form-urlencoded",
  "text/plain",
];

const SCHEMA_1 =
  "Docker image manifests of schema 1 are not accepted, they were retired long ago: pull the image with a " +
  "current client and push it again, or convert it with `skopeo copy --format oci`";

const RETIRED: ReadonlyMap<string, string> = new Map([
  ["application/vnd.docker.distribution.manifest.v1+json", SCHEMA_1],
  ["application/vnd.docker.distribution.manifest.v1+prettyjws", SCHEMA_1],
  [
    "application/vnd.oci.artifact.manifest.v1+json",
    `the OCI artifact manifest was never released: push an image manifest (${MEDIA_TYPE.manifest}) with artifactType`,
  ],
]);

/** What kind of manifest a media type names; undefined when no manifest of it can be pushed here. */
export function manifestKind(mediaType: string): ManifestKind | undefined {
  return KINDS.get(essenceOf(mediaType));
}

/**
 * The type that a Content-Type says the pushed document is; undefined when it says nothing.
 * @throws MANIFEST_INVALID when no such manifest is accepted.
 */
export function declaredByHeader(contentType: string | undefined): string | undefined {
  const essence = essenceOf(contentType ?? "");
  return TELLS_NOTHING.includes(essence) ? undefined : accept("Content-Type", essence);
}

/**
 * Which of the accepted media types a document is: as the header says, else its own `mediaType`, else by its
 * shape. distribution-spec §Pushing Manifests: if the document has a `mediaType`, the two must agree.
 * @throws MANIFEST_INVALID
 */
export function resolveMediaType(document: Record<string, unknown>, header: string | undefined): string {
  if (document.schemaVersion === 1 || isSomething(document.fsLayers)) refuse("$.schemaVersion", SCHEMA_1);
  const own = declaredByDocument(document);
  if (header !== undefined && own !== undefined && own !== header) {
    refuse("$.mediaType", `it says ${own.slice(0, 150)}, and the Content-Type says ${header}`);
  }
  return header ?? (own === undefined ? typeByShape(document) : accept("$.mediaType", own));
}

/** Go clients that do not set a mediaType may leave an empty string; one that is no string is the schema's to refuse. */
function declaredByDocument({ mediaType }: Record<string, unknown>): string | undefined {
  return typeof mediaType === "string" && mediaType !== "" ? mediaType.toLowerCase() : undefined;
}

function typeByShape(document: Record<string, unknown>): string {
  if (isSomething(document.manifests)) return MEDIA_TYPE.index;
  if (isSomething(document.config) || isSomething(document.layers)) return MEDIA_TYPE.manifest;
  return refuse("$", "neither an image manifest (it would have config and layers) nor an index (manifests)");
}

function accept(path: string, type: string): string {
  if (KINDS.has(type)) return type;
  const accepted = [...KINDS.keys()].join(", ");
  return refuse(path, RETIRED.get(type) ?? `${type.slice(0, 150)} is not accepted; these are: ${accepted}`);
}

function refuse(path: string, message: string): never {
  throw faultsError("MANIFEST_INVALID", [{ path, message }]);
}

function isSomething(value: unknown): boolean {
  return value !== undefined && value !== null;
}
