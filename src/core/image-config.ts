import { z } from "zod";
import { digest, lenientObject, listOf, stringMap } from "./descriptor-schema.ts";
import { parseStrictJson } from "./strict-json.ts";
import { conform } from "./validate.ts";

/*
 * image-spec config.md §Properties, clause by clause, as a registry needs it: what clients read is checked, and
 * whatever else there is (Docker's `container_config`) is let through. `null` means absent: Go writes it.
 */

// RFC 3339 §5.6, with any number of digits after the second.
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

const dateTime = z
  .string()
  .refine(
    (text) => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text.toUpperCase())),
    "expected a time such as 2026-01-31T12:00:00Z (RFC 3339)",
  );

/** A set, as Go writes it: names with empty objects. What is in the objects means nothing. */
const set = z.unknown().superRefine((value, context) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    context.addIssue("expected an object whose keys are the members");
  }
});

/** `config`: the base of what a container engine runs. */
const execution = lenientObject({
  User: z.string().optional(),
  ExposedPorts: set.optional(),
  Env: listOf(z.string()).optional(),
  Entrypoint: listOf(z.string()).optional(),
  Cmd: listOf(z.string()).optional(),
  Volumes: set.optional(),
  WorkingDir: z.string().optional(),
  Labels: stringMap.optional(),
  StopSignal: z.string().optional(),
  ArgsEscaped: z.boolean().optional(),
});

/** Docker leaves out `diff_ids` where an image has no layers. */
const rootfs = lenientObject({
  type: z.literal("layers", 'expected "layers", the only type there is'),
  diff_ids: listOf(digest).optional(),
});

const history = lenientObject({
  created: dateTime.optional(),
  author: z.string().optional(),
  created_by: z.string().optional(),
  comment: z.string().optional(),
  empty_layer: z.boolean().optional(),
});

/** REQUIRED are `architecture`, `os` and `rootfs`; signatures (cosign) leave the first two empty. */
export const imageConfigSchema = lenientObject({
  created: dateTime.optional(),
  author: z.string().optional(),
  architecture: z.string("expected the architecture, such as amd64"),
  os: z.string("expected the operating system, such as linux"),
  "os.version": z.string().optional(),
  "os.features": listOf(z.string()).optional(),
  variant: z.string().optional(),
  config: execution.optional(),
  rootfs,
  history: listOf(history).optional(),
});

export type ImageConfig = z.output<typeof imageConfigSchema>;

/**
 * Parses and checks an image config that a client made.
 * @throws MANIFEST_INVALID, `detail: [{path, message}]` with paths in the config; REQUEST_TOO_LARGE above 160,000 values.
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  return conform(imageConfigSchema, parseStrictJson(bytes, "MANIFEST_INVALID"), "MANIFEST_INVALID");
}
