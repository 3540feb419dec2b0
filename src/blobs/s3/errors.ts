import { LayerdError } from "../../core/errors.ts";
import { StartError } from "../../core/start-error.ts";

/** Seconds after which it is worth trying again to reach S3 or the database. */
export const RETRY_AFTER = "5";

/** Why the store cannot be used, in one sentence for whoever started the process. */
export class S3StoreError extends StartError {
  override readonly name = "S3StoreError";
}

/** What S3 and the SDK tell of a request that failed. */
interface S3Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

/** Whether an object is not there; that a whole bucket is not is another matter. */
export function isMissingObject(error: unknown): boolean {
  return (error as S3Failure).name === "NoSuchKey";
}

/** Whether a multipart upload has been completed or aborted. */
export function isMissingMultipart(error: unknown): boolean {
  return (error as S3Failure).name === "NoSuchUpload";
}

/** Whether a range begins behind the end of an object. */
export function isInvalidRange(error: unknown): boolean {
  return (error as S3Failure).name === "InvalidRange";
}

/** A request that failed, as an error of the table. Whatever it was, it may be over when it is tried again. */
export function toStoreError(error: unknown): LayerdError {
  if (error instanceof LayerdError) return error;
  const { $metadata, name } = error as S3Failure;
  const full = $metadata?.httpStatusCode === 507 || name === "QuotaExceeded";
  const code = full ? "STORE_FULL" : "UNAVAILABLE";
  return new LayerdError(code, full ? undefined : "the object store does not answer; try again", {
    headers: full ? {} : { "Retry-After": RETRY_AFTER },
    cause: withoutSecrets(error),
  });
}

/**
 * For the log: some answers of S3 repeat the access key and what was signed, in properties that a log would print
 * along with the error.
 */
export function withoutSecrets(error: unknown): Error {
  const { name, message, code, $metadata } = error as S3Failure;
  const status = $metadata?.httpStatusCode;
  const about = [code, status, $metadata?.requestId].filter((part) => part !== undefined).join(", ");
  return new Error(`${name}: ${message}${about === "" ? "" : ` (${about})`}`);
}

const UNKNOWN_HOST = "there is no host of that name: correct s3Endpoint, or set s3PathStyle";
const NOT_ACCEPTED =
  "the credentials are not accepted: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may have others";

const REASONS: Readonly<Record<string, string>> = {
  AccessDenied: "permission denied: docs/s3.md has the rights that are needed",
  CredentialsProviderError:
    "no credentials were found: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may have them",
  EAI_AGAIN: UNKNOWN_HOST,
  ECONNREFUSED: "nothing answers there: start it, or correct s3Endpoint",
  ENOTFOUND: UNKNOWN_HOST,
  ExpiredToken: "the credentials have expired",
  InvalidAccessKeyId: NOT_ACCEPTED,
  InvalidToken: NOT_ACCEPTED,
  NoSuchBucket: "there is no such bucket: create it first",
  PermanentRedirect: "it is in another region: set s3Region",
  SignatureDoesNotMatch: NOT_ACCEPTED,
  TimeoutError: "nothing answers there in time: look at s3Endpoint and the network",
  XAdminUserNotFound: NOT_ACCEPTED,
};

/** In a few words, for the sentence that says what cannot be done. */
export function explain(error: unknown): string {
  const { name, code = "", message, $metadata } = error as S3Failure;
  const denied = $metadata?.httpStatusCode === 403 ? REASONS.AccessDenied : undefined;
  return REASONS[name] ?? REASONS[code] ?? denied ?? `${name}: ${message}`;
}
