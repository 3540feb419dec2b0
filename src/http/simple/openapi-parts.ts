import { z } from "zod";
import { ERRORS } from "../../core/errors.ts";
import { manifestRequestSchema } from "../../core/manifest-request.ts";

/* What the descriptions of the addresses share. */

const digest = { type: "string", pattern: "^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$" };
const bytes = { type: "integer", minimum: 0 };
const annotations = { type: "object", additionalProperties: { type: "string" } };
const time = { type: "string", format: "date-time" };

const descriptor = {
  type: "object",
  required: ["mediaType", "digest", "size"],
  properties: { mediaType: { type: "string" }, digest, size: bytes, annotations },
};

export const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

export const schemas = {
  Layer: {
    type: "object",
    required: ["id", "digest", "size", "mediaType", "createdAt"],
    additionalProperties: false,
    properties: {
      ...{ id: digest, digest, size: bytes, mediaType: { type: "string" }, name: { type: "string" } },
      createdAt: time,
      unpacked: {
        type: "object",
        description: "Digest and size of the uncompressed tar, once a manifest has needed them",
        required: ["diffId", "size"],
        properties: { diffId: digest, size: bytes },
      },
    },
  },
  Progress: {
    type: "object",
    required: ["offset"],
    properties: { digest, offset: bytes, size: bytes },
  },
  ManifestRequest: withoutDialect(z.toJSONSchema(manifestRequestSchema, { io: "input" })),
  ImageManifest: {
    type: "object",
    required: ["schemaVersion", "mediaType", "config", "layers"],
    properties: {
      schemaVersion: { const: 2 },
      ...{ mediaType: { type: "string" }, artifactType: { type: "string" } },
      ...{
        config: descriptor,
        layers: { type: "array", items: descriptor },
        subject: descriptor,
        annotations,
      },
    },
  },
  PostedManifest: {
    type: "object",
    required: ["id", "digest", "size", "mediaType", "manifest"],
    additionalProperties: false,
    properties: {
      ...{ id: digest, digest, size: bytes, mediaType: { type: "string" }, tag: { type: "string" } },
      manifest: ref("ImageManifest"),
    },
  },
  Manifest: {
    type: "object",
    required: ["id", "digest", "size", "mediaType", "tags", "createdAt"],
    additionalProperties: false,
    properties: {
      ...{ id: digest, digest, size: bytes, mediaType: { type: "string" }, artifactType: { type: "string" } },
      ...{
        tags: { type: "array", items: { type: "string" } },
        annotations,
        subject: digest,
        createdAt: time,
      },
    },
  },
  Errors: {
    type: "object",
    required: ["errors"],
    additionalProperties: false,
    properties: {
      errors: {
        type: "array",
        minItems: 1,
        items: {
          type: "object",
          required: ["code", "message"],
          properties: { code: { enum: Object.keys(ERRORS) }, message: { type: "string" }, detail: {} },
        },
      },
    },
  },
};

export const parameters = {
  layerId: {
    name: "id",
    in: "path",
    required: true,
    description: "sha256:<hex>, or the hex alone",
    schema: { type: "string" },
  },
  reference: {
    name: "id",
    in: "path",
    required: true,
    description: "sha256:<hex>, the hex alone, or a tag",
    schema: { type: "string" },
  },
  n: query("n", "Entries of a page, 1 to 1000; other numbers are clamped", "integer"),
  last: query("last", "Where the page before ended; follow its Link", "integer"),
  digest: query("digest", "The digest that the bytes must have", "string"),
};

export const parameter = (name: keyof typeof parameters) => ({ $ref: `#/components/parameters/${name}` });

export const header = (name: string, description: string, type = "string") => ({
  name,
  in: "header",
  description,
  schema: { type },
});

export const json = (description: string, schema: object) => ({
  description,
  content: { "application/json": { schema } },
});

export const raw = (description: string) => ({ description, content: { "*/*": {} } });

export const error = (description: string) => json(description, ref("Errors"));

export const empty = (description: string) => ({ description });

function query(name: string, description: string, type: string): object {
  return { name, in: "query", description, schema: { type } };
}

/** OpenAPI 3.1 says itself which dialect its schemas are in. */
function withoutDialect({ $schema: _, ...schema }: Record<string, unknown>): object {
  return schema;
}
