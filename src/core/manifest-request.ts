import { z } from "zod";
import { digestOfId, isDigest } from "./digest.ts";
import { isMediaType } from "./media-type.ts";
import { isTag } from "./name.ts";

/*
 * The simple API's own schema: what `POST /manifest` takes. Strict: an unknown key is an error that names it,
 * because a mistyped `anotations` must not be dropped silently. The config part follows image-spec
 * `config.md` §Properties, in its spelling.
 */

const LAYERS_MAX = 1000;

const id = z
  .string()
  .refine((text) => digestOfId(text) !== undefined, "expected sha256:<64 hex digits>, or the hex alone")
  .transform((text, context) => {
    const digest = digestOfId(text);
    if (digest !== undefined) return digest;
    context.addIssue("expected a digest");
    return z.NEVER;
  })
  .meta({ description: "sha256:<hex>, or the hex alone" });

const mediaType = z.string().refine(isMediaType, "expected a media type such as application/octet-stream");
// Characters of all annotations of one object: they stand in the index and in every listing.
const ANNOTATIONS_MAX = 64 * 1024;
const annotations = z
  .record(z.string().min(1), z.string())
  .refine(
    (all) =>
      Object.entries(all).reduce((sum, [key, value]) => sum + key.length + value.length, 0) <=
      ANNOTATIONS_MAX,
    `annotations may have ${ANNOTATIONS_MAX} characters in all`,
  );

const layer = z.strictObject({
  digest: id,
  mediaType: mediaType.optional(),
  annotations: annotations.optional(),
});

const exposedPort = z.string().regex(/^\d{1,5}(\/(tcp|udp))?$/, 'expected "port", "port/tcp" or "port/udp"');
const emptyObject = z.strictObject({});
const environment = z.string().regex(/^[^=]+=/, "expected NAME=value");

/** image-spec config.md §Properties, `config`: what a container engine runs. */
const execution = z.strictObject({
  User: z.string().optional(),
  ExposedPorts: z.record(exposedPort, emptyObject).optional(),
  Env: z.array(environment).optional(),
  Entrypoint: z.array(z.string()).optional(),
  Cmd: z.array(z.string()).optional(),
  Volumes: z.record(z.string(), emptyObject).optional(),
  WorkingDir: z.string().optional(),
  Labels: z.record(z.string(), z.string()).optional(),
  StopSignal: z.string().optional(),
});

const config = z.strictObject({
  created: z.iso.datetime({ offset: true }).optional(),
  author: z.string().optional(),
  architecture: z.string().min(1).optional(),
  variant: z.string().optional(),
  os: z.string().min(1).optional(),
  "os.version": z.string().optional(),
  "os.features": z.array(z.string()).optional(),
  config: execution.optional(),
});

const subject = z.union([
  id,
  z.strictObject({
    mediaType,
    digest: z.string().refine(isDigest, "expected a digest"),
    size: z.int().nonnegative(),
  }),
]);

export const manifestRequestSchema = z
  .strictObject({
    layers: z
      .array(z.union([id, layer]))
      .max(LAYERS_MAX)
      .meta({ description: "The layers in their order, lowest first: digests, or objects with more to say" }),
    config: config.optional(),
    annotations: annotations.optional(),
    tag: z.string().refine(isTag, "expected letters, digits, _ . -, at most 128").optional(),
    subject: subject.optional(),
    artifactType: mediaType.optional(),
  })
  .refine((request) => request.layers.length > 0 || request.artifactType !== undefined, {
    path: ["layers"],
    message: "at least one layer is needed, unless artifactType is given",
  });

export type ManifestRequest = z.infer<typeof manifestRequestSchema>;
export type ImageConfigRequest = NonNullable<ManifestRequest["config"]>;
