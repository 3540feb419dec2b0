import { replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";

/** `GET /v2/`: this is a registry (distribution-spec §Determining Support). */
export function getBase(_service: Service, ctx: Call): void {
  replyJson(ctx, 200, {}, ["Docker-Distribution-API-Version", "registry/2.0"]);
}
