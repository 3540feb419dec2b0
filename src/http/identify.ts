import type Koa from "koa";
import type { Call } from "./request-context.ts";

/** The caller's name, where the host application says nothing else: its user, or that user's name or id. */
export function nameOfUser(ctx: Call | Koa.Context): string | undefined {
  const user: unknown = ctx.state.user;
  if (typeof user === "string" && user !== "") return user;
  if (typeof user !== "object" || user === null) return undefined;
  for (const key of ["name", "id"] as const) {
    const value = (user as Record<string, unknown>)[key];
    if (typeof value === "string" || typeof value === "number") return String(value);
  }
  return undefined;
}
