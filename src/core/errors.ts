/**
 * Every error a client can meet, in one table: code → HTTP status and the sentence used when nothing
 * more specific is known. Codes of distribution-spec §Error Codes keep their name and meaning; the others
 * are layerd's own. Handlers and stores only throw; `http/errors.ts` is the one place that answers.
 */
export const ERRORS = {
  BLOB_IN_USE: { status: 409, message: "a manifest still needs this layer" },
  BLOB_UNKNOWN: { status: 404, message: "no such layer" },
  BLOB_UPLOAD_INVALID: { status: 400, message: "the upload request is not valid" },
  BLOB_UPLOAD_UNKNOWN: { status: 404, message: "no such upload: it has finished, expired or was cancelled" },
  DENIED: { status: 403, message: "this is not allowed" },
  DIGEST_INVALID: { status: 400, message: "the digest does not match the bytes, or is not a digest" },
  HEADERS_TOO_LARGE: { status: 431, message: "the request's headers are larger than 16 KiB" },
  HOST_UNKNOWN: { status: 421, message: "this server does not answer for that Host" },
  INTERNAL: { status: 500, message: "something went wrong here; the server's log has the details" },
  JSON_INVALID: { status: 400, message: "the body is not the JSON expected here" },
  LAYER_INVALID: { status: 400, message: "the layer is not a tar archive" },
  MANIFEST_BLOB_UNKNOWN: { status: 400, message: "the manifest names layers that are not here" },
  MANIFEST_INVALID: { status: 400, message: "the manifest is not valid" },
  MANIFEST_UNKNOWN: { status: 404, message: "no such manifest" },
  METHOD_NOT_ALLOWED: { status: 405, message: "this method is not available here" },
  NAME_INVALID: { status: 400, message: "the name is not valid" },
  NAME_UNKNOWN: { status: 404, message: "no such repository: nothing has been pushed to it" },
  NOT_FOUND: { status: 404, message: "there is nothing at this address" },
  OFFSET_MISMATCH: { status: 409, message: "the upload is at another offset" },
  ORIGIN_FOREIGN: { status: 403, message: "a page of another origin may not change anything here" },
  PRECONDITION_FAILED: { status: 412, message: "a precondition of the request does not hold" },
  RANGE_INVALID: { status: 416, message: "the range cannot be satisfied" },
  REQUEST_INVALID: { status: 400, message: "the request is not valid" },
  REQUEST_TIMEOUT: { status: 408, message: "the request did not arrive in time" },
  REQUEST_TOO_LARGE: { status: 413, message: "the request is too large" },
  SIZE_INVALID: { status: 400, message: "the length does not match what was announced" },
  STORE_FULL: { status: 507, message: "there is no room left; reads go on" },
  TAG_INVALID: { status: 400, message: "the tag is not valid" },
  TAG_UNKNOWN: { status: 404, message: "no such tag" },
  TOOMANYREQUESTS: { status: 429, message: "this client asks for too much; try again later" },
  UNAUTHORIZED: { status: 401, message: "authentication is required" },
  UNAVAILABLE: { status: 503, message: "not available right now; try again" },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: "this kind of content is not accepted here" },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** One error of the table. `detail` is JSON shown to the client; `cause` is for the log only. */
export class LayerdError extends Error {
  readonly code: ErrorCode;
  readonly detail: unknown;
  /** Extra response headers that belong to the error, such as `Upload-Offset`. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message?: string,
    options: { detail?: unknown; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message ?? ERRORS[code].message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "LayerdError";
    this.code = code;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** The same error, answered with more headers. */
export function withHeaders(error: LayerdError, headers: Record<string, string>): LayerdError {
  const { code, message, detail } = error;
  return new LayerdError(code, message, { detail, headers: { ...error.headers, ...headers }, cause: error });
}

/** True for an error of the table, optionally of one code. */
export function isLayerdError(error: unknown, code?: ErrorCode): error is LayerdError {
  return error instanceof LayerdError && (code === undefined || error.code === code);
}
