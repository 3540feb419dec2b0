import type Koa from "koa";
import { LayerdError } from "../core/errors.ts";
import { type ClientLimitOptions, ClientLimits } from "./client-limits.ts";
import { answerErrors } from "./errors.ts";
import { Guard, type GuardOptions } from "./guard.ts";
import { getHealth, getReadiness } from "./health.ts";
import { makeObserver, type ObserveOptions } from "./observe.ts";
import { inTurn, isPipelined } from "./pipeline.ts";
import { reply } from "./reply.ts";
import type { Call } from "./request-context.ts";
import type { Route } from "./request-counts.ts";
import type { Service } from "./service.ts";
import { getLayer } from "./simple/layers.ts";
import { uploadOptions } from "./simple/resumable.ts";
import { simpleRoutes } from "./simple/routes.ts";
import { isV2 } from "./v2/path.ts";
import { dispatch as dispatchV2 } from "./v2/routes.ts";

export interface AppOptions {
  readonly service: Service;
  readonly observe: ObserveOptions;
  readonly guard: GuardOptions;
  readonly limits: ClientLimitOptions;
  /** Rejects when the store does not answer. */
  readonly probe: () => Promise<void>;
  /** Whether paths that are not layerd's go on to the next middleware, or are answered 404. */
  readonly passUnknown: boolean;
}

const OWN_PATHS = /^\/(?:(?:layer|manifest|v2)(?:\/.*)?|healthz|readyz|openapi\.json)?$/;

/** Everything between a request and its handler, in this order: context and log, errors, guard, route. */
export function createMiddleware(options: AppOptions): Koa.Middleware {
  const observe = makeObserver(options.observe);
  const guard = new Guard(options.guard);
  const limits = new ClientLimits(options.limits);
  const limited = limits.any;
  const dispatch = makeDispatch(options);
  const serve = (ctx: Call) => {
    guard.check(ctx);
    if (limited) limits.check(ctx);
    const { path } = ctx;
    // Of a target such as `http://` nothing is left that could be a path, whatever the types say.
    if (typeof path !== "string") throw new LayerdError("REQUEST_INVALID", "the request has no path");
    const preflight = guard.preflight(ctx);
    return preflight === undefined ? dispatch(ctx, path) : reply(ctx, 204, preflight);
  };
  const answer = (ctx: Call) => {
    observe(ctx);
    return answerErrors(ctx, serve);
  };
  return (koaContext, next) => {
    if (options.passUnknown && !OWN_PATHS.test(koaContext.path)) return next();
    const ctx = koaContext as Call;
    return isPipelined(ctx) ? inTurn(ctx, answer) : answer(ctx);
  };
}

function makeDispatch({ service, probe }: AppOptions): (ctx: Call, path: string) => unknown {
  const router = simpleRoutes(service);
  router.get("/healthz", (ctx) => getHealth(ctx as unknown as Call));
  router.get("/readyz", (ctx) => getReadiness(ctx as unknown as Call, probe));
  const routes = router.routes();
  return (ctx, path) => {
    if (path === "*" && ctx.method === "OPTIONS") return uploadOptions(service, ctx, METHODS);
    if (isV2(path)) return dispatchV2(service, ctx, path);
    ctx.layerd.route = routeOf(path);
    const id = readsLayer(ctx.req.method, path);
    return id === undefined ? routes(ctx as never, async () => refuse(ctx)) : getLayer(service, ctx, id);
  };

  /** No route fits: says whether the address or only the method is wrong (RFC 9110 §15.5.6 wants `Allow`). */
  function refuse(ctx: Call): never {
    const methods = router.match(ctx.path, ctx.method).path.flatMap((layer) => layer.methods);
    if (methods.length === 0)
      throw new LayerdError("NOT_FOUND", `there is nothing at ${ctx.path.slice(0, 200)}`);
    const allow = [...new Set(methods)].join(", ");
    throw new LayerdError("METHOD_NOT_ALLOWED", `${ctx.method} is not available here; try ${allow}`, {
      headers: { Allow: allow },
    });
  }
}

function routeOf(path: string): Route {
  if (path.startsWith("/layer/uploads/")) return "layer-upload";
  if (path === "/layer" || path.startsWith(LAYER_PATH)) return "layer";
  if (path === "/manifest" || path.startsWith("/manifest/")) return "manifest";
  if (path === "/healthz" || path === "/readyz") return "health";
  return path === "/" || path === "/openapi.json" ? "about" : "other";
}

/** What `OPTIONS *`, which is about the server as a whole, is told (RFC 9110 §9.3.7). */
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

const LAYER_PATH = "/layer/";

/**
 * The id in `GET` and `HEAD /layer/{id}`. Reading layers is what the server does all day, and the router costs
 * a third of a small read: 65,900 requests/s without it, 44,700 with it, of 87,900 that node:http answers.
 */
function readsLayer(method: string | undefined, path: string): string | undefined {
  if (method !== "GET" && method !== "HEAD") return undefined;
  if (!path.startsWith(LAYER_PATH) || path.length === LAYER_PATH.length) return undefined;
  const id = path.slice(LAYER_PATH.length);
  return id.includes("/") || id.includes("%") ? undefined : id;
}
