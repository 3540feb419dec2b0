import { LayerdError } from "../core/errors.ts";
import { replyJson } from "./reply.ts";
import type { Call } from "./request-context.ts";

/** `GET /healthz`: the process answers. */
export function getHealth(ctx: Call): void {
  replyJson(ctx, 200, { status: "ok" });
}

/** `GET /readyz`: the store behind it answers too; 503 while it does not. */
export async function getReadiness(ctx: Call, probe: () => Promise<void>): Promise<void> {
  try {
    await probe();
  } catch (error) {
    ctx.layerd.log.warn({ err: error }, "not ready");
    throw new LayerdError("UNAVAILABLE", "the store does not answer", { headers: { "Retry-After": "5" } });
  }
  replyJson(ctx, 200, { status: "ready" });
}
