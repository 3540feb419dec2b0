import { LayerdError } from "../../core/errors.ts";
import { acceptBody } from "../body.ts";
import type { Call } from "../request-context.ts";

/**
 * The bytes of a manifest.
 * @param limit bytes that it may have.
 * @throws REQUEST_TOO_LARGE, SIZE_INVALID when the body breaks off, REQUEST_INVALID for a part (RFC 9110 §14.5)
 */
export async function readManifest(ctx: Call, limit: number): Promise<Buffer> {
  const { stream, length, signal } = acceptBody(ctx);
  if (ctx.req.headers["content-range"] !== undefined) {
    throw new LayerdError("REQUEST_INVALID", "a manifest is pushed as a whole, without Content-Range");
  }
  if (length !== undefined && length > limit) throw tooLarge(limit);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Not destroyed when it is too large: the client is to read the answer.
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      if (bytes > limit) throw tooLarge(limit);
      chunks.push(chunk);
    }
    signal.throwIfAborted();
  } catch (error) {
    if (error instanceof LayerdError) throw error;
    throw new LayerdError("SIZE_INVALID", "the body broke off before its end", { cause: error });
  }
  return Buffer.concat(chunks);
}

function tooLarge(limit: number): LayerdError {
  return new LayerdError("REQUEST_TOO_LARGE", `a manifest may have up to ${limit} bytes here`, {
    detail: { limit },
  });
}
