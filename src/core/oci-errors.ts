import type { ErrorCode, LayerdError } from "./errors.ts";

/*
 * distribution-spec §Error Codes: below 500, `code` MUST be one of its own. What it has no code for is told by
 * the nearest one, the status, and the message; `detail.reason` keeps layerd's code.
 */

interface OciError {
  readonly code: string;
  readonly message: string;
  readonly detail?: unknown;
}

export interface OciAnswer {
  readonly status: number;
  readonly errors: readonly OciError[];
  /** Headers that the status asks for. */
  readonly headers: Readonly<Record<string, string>>;
}

const CODES = new Set<string>([
  ...[
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
  ],
  ...["MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED"],
  ...["DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"],
]);

interface Translation {
  readonly code: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const TRANSLATIONS: Partial<Record<ErrorCode, Translation>> = {
  // §Deleting Blobs: a blob that cannot be deleted is 400 or 405, and RFC 9110 §15.5.6 then wants `Allow`.
  BLOB_IN_USE: { code: "UNSUPPORTED", status: 405, headers: { Allow: "GET, HEAD" } },
  HOST_UNKNOWN: { code: "DENIED" },
  JSON_INVALID: { code: "MANIFEST_INVALID" },
  // §Pushing a blob in chunks: "If a chunk is uploaded out of order, the registry MUST respond with a 416".
  OFFSET_MISMATCH: { code: "BLOB_UPLOAD_INVALID", status: 416 },
  ORIGIN_FOREIGN: { code: "DENIED" },
  REQUEST_TOO_LARGE: { code: "SIZE_INVALID" },
  TAG_INVALID: { code: "MANIFEST_INVALID" },
  TAG_UNKNOWN: { code: "MANIFEST_UNKNOWN" },
};

// Names that one error lists one by one.
const LISTED = 100;

/** How an error is told to those who speak the distribution API. */
export function toOci(error: LayerdError): OciAnswer {
  if (error.status >= 500) return answer(error, { code: error.code });
  return answer(
    error,
    TRANSLATIONS[error.code] ?? { code: CODES.has(error.code) ? error.code : "UNSUPPORTED" },
  );
}

function answer(error: LayerdError, translation: Translation): OciAnswer {
  const { code, status = error.status, headers = {} } = translation;
  const errors = missingOf(error)?.map((digest) => missing(code, digest)) ?? [
    { code, message: error.message, ...detailOf(error, code) },
  ];
  return { status, errors, headers };
}

/** "One or more MANIFEST_BLOB_UNKNOWN errors" (§Push): each missing thing has its own. */
function missingOf({ code, detail }: LayerdError): readonly string[] | undefined {
  if (code !== "MANIFEST_BLOB_UNKNOWN") return undefined;
  const { missing } = (detail ?? {}) as { readonly missing?: readonly string[] };
  return missing?.slice(0, LISTED);
}

function missing(code: string, digest: string): OciError {
  return {
    code,
    message: `the manifest names ${digest}, which is not in this repository`,
    detail: { digest },
  };
}

function detailOf(error: LayerdError, code: string): { detail?: unknown } {
  const { detail } = error;
  if (code === error.code) return detail === undefined ? {} : { detail };
  const isObject = typeof detail === "object" && detail !== null && !Array.isArray(detail);
  return {
    detail: { reason: error.code, ...(isObject ? detail : detail === undefined ? {} : { faults: detail }) },
  };
}
