import { PassThrough } from "node:stream";
import { koaBody } from "koa-body";
import { LayerdError } from "../../core/errors.ts";
import type { LayerClaims } from "../../registry/layers.ts";
import type { Call } from "../request-context.ts";
import { claimedMediaType, fileName } from "./claims.ts";

const FILES_MAX = 100;

// Bytes without news after which a part's headers are too long. formidable would gather them without end.
const HEADERS_MAX = 16 * 1024;

/** Reads the files of a form by koa-body; no temporary file comes into being. */
export async function readForm(
  ctx: Call,
  onFile: (source: PassThrough, claims: LayerClaims) => void,
): Promise<void> {
  const open = new Set<PassThrough>();
  const headers = new HeaderLimit(ctx);
  let failed = false;
  const parse = koaBody({
    json: false,
    text: false,
    urlencoded: false,
    multipart: true,
    formidable: {
      // formidable's own limits (200 MiB, no empty files) are not ours: the store has its limits.
      maxFileSize: Number.POSITIVE_INFINITY,
      maxTotalFileSize: Number.POSITIVE_INFINITY,
      minFileSize: 0,
      allowEmptyFiles: true,
      maxFiles: FILES_MAX,
      maxFields: 0,
      maxFieldsSize: 1024,
      onPart: (part, handle) => {
        headers.ended(part);
        const refusal = refusalOf(part);
        if (refusal !== undefined) return fail(ctx, refusal);
        // A file without a Content-Type would be read into memory as a field.
        part.mimetype ||= "application/octet-stream";
        handle(part);
      },
      fileWriteStreamHandler: (file) => {
        const source = new PassThrough();
        open.add(source);
        source.once("close", () => open.delete(source));
        // Files that stand behind a fault may have been read already.
        if (failed) source.destroy();
        else onFile(source, claimsOf(file as unknown as FilePart));
        return source;
      },
    },
    onError: (error) => {
      throw error;
    },
  });
  try {
    const parsing = parse(ctx, async () => undefined);
    headers.watch();
    await parsing;
  } catch (error) {
    failed = true;
    for (const source of open) source.destroy(error instanceof Error ? error : undefined);
    throw formError(error);
  }
}

/**
 * Ends the form. An error thrown at formidable, while it reads, would be nobody's, and end the process; one of
 * the request it hears, takes no more, and rejects.
 */
function fail(ctx: Call, error: LayerdError): void {
  ctx.req.emit("error", error);
}

/** Ends a form whose next part has headers, but no end of them. */
class HeaderLimit {
  readonly #ctx: Call;
  #within = true;
  #bytes = 0;

  constructor(ctx: Call) {
    this.#ctx = ctx;
  }

  watch(): void {
    this.#ctx.req.on("data", (chunk: Buffer) => {
      if (!this.#within) return;
      // One chunk may well be longer, because of what follows the headers in it.
      if (this.#bytes > HEADERS_MAX) {
        fail(this.#ctx, new LayerdError("REQUEST_INVALID", "the headers of a part of the form are too long"));
      }
      this.#bytes += chunk.length;
    });
  }

  /** The headers of this part have ended; those of the next begin when it does. */
  ended(part: Part): void {
    this.#within = false;
    part.once("end", () => {
      this.#within = true;
      this.#bytes = 0;
    });
  }
}

/** A part as formidable describes it; its types know less. */
type FilePart = { readonly originalFilename: string | null; readonly mimetype: string | null };
type Part = FilePart & {
  readonly name: string | null;
  readonly transferEncoding?: string;
  once(event: "end", listener: () => void): unknown;
};

// RFC 7578 §4.7 deprecates the others, and formidable decodes base64 without seeing its faults.
const PLAIN_ENCODINGS = new Set(["binary", "8bit", "7bit", "utf-8"]);

function refusalOf(part: Part): LayerdError | undefined {
  const { originalFilename, name, mimetype, transferEncoding = "binary" } = part;
  if (originalFilename === null) {
    const what = JSON.stringify((name ?? "").slice(0, 100));
    return new LayerdError("REQUEST_INVALID", `the form takes files only: ${what} has no file name`);
  }
  if (!PLAIN_ENCODINGS.has(transferEncoding)) {
    const what = transferEncoding.slice(0, 50);
    return new LayerdError("UNSUPPORTED_MEDIA_TYPE", `Content-Transfer-Encoding ${what} is not accepted`);
  }
  return refusedType(mimetype);
}

function refusedType(mimetype: string | null): LayerdError | undefined {
  try {
    claimedMediaType(mimetype ?? "");
    return undefined;
  } catch (error) {
    return error as LayerdError;
  }
}

function claimsOf({ originalFilename, mimetype }: FilePart): LayerClaims {
  const mediaType = claimedMediaType(mimetype ?? "");
  const name = fileName(originalFilename);
  return { ...(mediaType === undefined ? {} : { mediaType }), ...(name === undefined ? {} : { name }) };
}

function formError(error: unknown): unknown {
  if (error instanceof LayerdError || !(error instanceof Error)) return error;
  const status = "httpCode" in error ? error.httpCode : undefined;
  if (status === 413) {
    return new LayerdError("REQUEST_TOO_LARGE", `a form takes up to ${FILES_MAX} files`, {
      cause: error,
    });
  }
  return new LayerdError("REQUEST_INVALID", `the form cannot be read: ${error.message}`, { cause: error });
}
