export type { AccessRequest, Action, Authorize } from "./auth/policy.ts";
export type { StoreOptions } from "./config.ts";
export type { Digest } from "./core/digest.ts";
export { type ErrorCode, isLayerdError, LayerdError } from "./core/errors.ts";
export type { Descriptor, ImageManifest } from "./core/image.ts";
export type { ManifestRequest } from "./core/manifest-request.ts";
export { createLayerd, type Host, type Layerd, type RequestLine } from "./create.ts";
