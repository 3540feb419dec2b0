import Router from "@koa/router";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { getAbout } from "./about.ts";
import { deleteLayer, getLayer, listLayers } from "./layers.ts";
import { deleteManifest, getManifest, listManifests, postManifest } from "./manifests.ts";
import { getOpenApi } from "./openapi.ts";
import { postLayer } from "./post-layer.ts";
import { putLayer } from "./put-layer.ts";
import {
  appendUpload,
  asksForResumable,
  cancelUpload,
  createUpload,
  uploadOffset,
  uploadOptions,
} from "./resumable.ts";

/** The simple API: which address is answered by which function. */
export function simpleRoutes(service: Service): Router {
  const router = new Router();
  const on = (handle: (service: Service, ctx: Call, id: string) => unknown) => {
    return (ctx: { params?: Record<string, string> }) => handle(service, ctx as Call, ctx.params?.id ?? "");
  };
  router.get("/", on(getAbout));
  router.get("/openapi.json", on(getOpenApi));

  router.get("/layer", on(listLayers));
  router.post(
    "/layer",
    on((_, ctx) => (asksForResumable(ctx) ? createUpload(service, ctx) : postLayer(service, ctx))),
  );
  router.options(
    "/layer",
    on((_, ctx) => uploadOptions(service, ctx, "GET, HEAD, POST, OPTIONS")),
  );
  router.get("/layer/:id", on(getLayer));
  router.put("/layer/:id", on(putLayer));
  router.delete("/layer/:id", on(deleteLayer));

  router.head("/layer/uploads/:id", on(uploadOffset));
  router.patch("/layer/uploads/:id", on(appendUpload));
  router.delete("/layer/uploads/:id", on(cancelUpload));

  router.get("/manifest", on(listManifests));
  router.post("/manifest", on(postManifest));
  router.get("/manifest/:id", on(getManifest));
  router.delete("/manifest/:id", on(deleteManifest));
  return router;
}
