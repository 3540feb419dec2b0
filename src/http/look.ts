import type { Look } from "../index/port.ts";
import type { Call } from "./request-context.ts";

const PROMISED: Look = { promise: true };

/** Whoever asks by HEAD whether something is here will not send it: it is promised. */
export function lookOf(ctx: Call): Look | undefined {
  return ctx.req.method === "HEAD" ? PROMISED : undefined;
}
