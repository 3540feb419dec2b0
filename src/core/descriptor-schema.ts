import { z } from "zod";
import { algorithmOf, digestOf, isDigest } from "./digest.ts";
import { isForeignLayer, isMediaType, isParametrizedMediaType } from "./media-type.ts";
import { FAULTS_MAX } from "./validate.ts";

/*
 * image-spec descriptor.md, clause by clause, as a registry needs it: unknown properties are let through
 * (considerations.md §Extensibility), and `null` means absent, as in what Go clients write.
 */

/** descriptor.md §Properties, `artifactType`: Go clients may leave an empty string (distribution-spec §Listing Referrers). */
export const artifactType = z
  .string()
  .refine((text) => text === "" || isMediaType(text), "expected a media type (RFC 6838 §4.2)");

// RFC 6838 §4.2 knows no parameters, but podman and OCM push layers that are `text/plain; charset=utf-8`.
const mediaType = z
  .string()
  .refine(isParametrizedMediaType, "expected a media type such as application/octet-stream (RFC 6838 §4.2)");

// descriptor.md §Digests. The length keeps the expression from working on megabytes.
const DIGEST_GRAMMAR = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;
const DIGEST_MAX = 1024;
/** §Registered algorithms: how many lower-case hex digits each has. */
const REGISTERED = new Map([
  ["sha256", 64],
  ["sha512", 128],
  ["blake3", 64],
]);

/** descriptor.md §Digests, of any algorithm. */
export const digest = z.string().superRefine((text, context) => {
  const message = digestFault(text);
  if (message !== undefined) context.addIssue(message);
});

function digestFault(text: string): string | undefined {
  if (text.length > DIGEST_MAX || !DIGEST_GRAMMAR.test(text)) {
    return "expected a digest: sha256:<64 lower-case hex digits>";
  }
  const [algorithm = "", encoded = ""] = text.split(":");
  const length = REGISTERED.get(algorithm);
  if (length === undefined || (encoded.length === length && /^[a-f0-9]+$/.test(encoded))) return undefined;
  return `expected ${length} lower-case hex digits after ${algorithm}:`;
}

// An int64 in the specification; above 2^53 a number in JSON is no longer exact.
const size = z.int("expected a size in bytes, an integer").nonnegative("expected a size in bytes, 0 or more");

const uri = z.string().refine(isUri, "expected a URI with its scheme (RFC 3986)");

// RFC 3986 §2 and §3, as far as characters go.
function isUri(text: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:/.test(text)) return false;
  return !/[^\w\-.~:/?#[\]@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})/.test(text);
}

/** Strings by string keys. Unlike a zod record, it stops after enough faults. */
export const stringMap = z.unknown().transform((value, context): Record<string, string> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    context.addIssue("expected an object");
    return z.NEVER;
  }
  const map = value as Record<string, unknown>;
  let faults = 0;
  for (const key in map) {
    if (typeof map[key] === "string") continue;
    context.addIssue({ code: "custom", path: [key], message: "expected a string" });
    faults += 1;
    if (faults >= FAULTS_MAX) break;
  }
  return map as Record<string, string>;
});

/** annotations.md §Rules. */
export const annotations = stringMap;

/** A list whose items are checked one by one, until there are more faults than anybody reads. */
export function listOf<T extends z.ZodType>(item: T) {
  return z.array(z.unknown(), "expected a list").transform((values, context) => {
    const parsed: z.output<T>[] = [];
    let faults = 0;
    for (const [at, value] of values.entries()) {
      const result = item.safeParse(value);
      if (result.success) parsed.push(result.data);
      for (const issue of result.error?.issues ?? []) {
        context.addIssue({ ...issue, path: [at, ...issue.path] });
        faults += 1;
      }
      if (faults >= FAULTS_MAX) break;
    }
    return parsed;
  });
}

/** An object that may have more than `shape` says; `null` is as good as absent. */
export function lenientObject<S extends z.ZodRawShape>(shape: S) {
  return z.preprocess(withoutNulls, z.object(shape, "expected an object"));
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  if (!Object.values(value).includes(null)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null));
}

/** image-index.md §Image Index Property Descriptions, `platform`. Attestations of BuildKit run on unknown/unknown. */
const platform = lenientObject({
  architecture: z.string(),
  os: z.string(),
  "os.version": z.string().optional(),
  "os.features": listOf(z.string()).optional(),
  variant: z.string().optional(),
  features: listOf(z.string()).optional(),
});

const anyDescriptor = lenientObject({
  mediaType,
  digest,
  size,
  urls: listOf(uri).optional(),
  annotations: annotations.optional(),
  data: z.string().optional(),
  artifactType: artifactType.optional(),
  platform: platform.optional(),
}).superRefine((descriptor, context) => {
  const message = dataFault(descriptor);
  if (message !== undefined) context.addIssue({ code: "custom", path: ["data"], message });
});

/** descriptor.md §Properties, `data`: "The decoded data MUST be identical to the referenced content". */
function dataFault(descriptor: { data?: string | undefined; size: number; digest: string }) {
  const { data, size, digest } = descriptor;
  if (data === undefined) return undefined;
  const bytes = Buffer.from(data, "base64");
  if (bytes.toString("base64") !== data) return "expected base64 with its padding (RFC 4648 §4)";
  if (bytes.length !== size) return `it has ${bytes.length} bytes, and size says ${size}`;
  if (!isDigest(digest) || digestOf(bytes, algorithmOf(digest)) === digest) return undefined;
  return "its bytes have another digest";
}

const UNSUPPORTED = "expected sha256 or sha512: this registry can check no other algorithm";

/** A descriptor of what this registry must be able to hold. */
export const descriptor = anyDescriptor.refine(({ digest }) => isDigest(digest), {
  path: ["digest"],
  message: UNSUPPORTED,
});

/** A descriptor of what this registry holds, unless it is a layer that is not meant to be pushed. */
export const contentDescriptor = anyDescriptor.refine(
  ({ digest, mediaType }) => isDigest(digest) || isForeignLayer(mediaType),
  { path: ["digest"], message: UNSUPPORTED },
);
