import { LayerdError } from "../../core/errors.ts";
import type { Part } from "../../registry/sessions.ts";
import type { Call } from "../request-context.ts";

// distribution-spec §Pushing a blob in chunks: `^[0-9]+-[0-9]+$`, unlike RFC 9110's; some clients send that one.
const RANGE = /^(?:bytes[ =])?(\d{1,16})-(\d{1,16})(?:\/(?:\d{1,16}|\*))?$/;

/**
 * Which bytes of the blob a request brings.
 * @param length of its body, when it is known.
 * @throws BLOB_UPLOAD_INVALID, SIZE_INVALID when the range is longer or shorter than the body
 */
export function partOf(ctx: Call, length: number | undefined): Part {
  const field = ctx.req.headers["content-range"];
  if (field === undefined) return { at: undefined, length };
  const [, start, end] = RANGE.exec(field) ?? [];
  const at = Number(start);
  const size = Number(end) - at + 1;
  if (start === undefined || size < 1) {
    throw new LayerdError("BLOB_UPLOAD_INVALID", `Content-Range is ${JSON.stringify(field.slice(0, 100))}`, {
      detail: { expected: "<first byte>-<last byte>, both inclusive" },
    });
  }
  if (length === undefined || length === size) return { at, length: size };
  throw new LayerdError("SIZE_INVALID", `Content-Range names ${size} bytes, Content-Length ${length}`);
}
