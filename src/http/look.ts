import type { Look } from "../index/port.ts";
import type { Call } from "./request-context.ts";

const PROMISED: Look = { promise: true };

/** Whoever asks by HEAD whether a layer is here will not send it: it is promised. */
export function lookOf(ctx: Call): Look | undefined {
  return ctx.req.method === "HEAD" ? PROMISED : undefined;
}

/** Whoever reads a manifest pulls what it names, whatever becomes of its tag meanwhile: all of that is promised. */
export const MANIFEST_LOOK = PROMISED;
