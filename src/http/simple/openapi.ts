import { VERSION } from "../../version.ts";
import { reply, toJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { layerPaths } from "./openapi-layers.ts";
import { manifestPaths } from "./openapi-manifests.ts";
import { error, json, parameters, schemas } from "./openapi-parts.ts";

/** `GET /openapi.json` */
export function getOpenApi(service: Service, ctx: Call): void {
  const document = describeApi(service.links.to(ctx, "") || "/");
  const fields = [
    "Content-Type",
    "application/json",
    "X-Content-Type-Options",
    "nosniff",
    "Cache-Control",
    "no-cache",
  ];
  reply(ctx, 200, fields, toJson(document));
}

/** The simple API in OpenAPI 3.1. The tests hold every answer of a running server against it. */
export function describeApi(serverUrl: string): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "layerd",
      version: VERSION,
      summary: "A content-addressed store for layers and OCI manifests",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: serverUrl }],
    paths: { ...aboutPaths, ...layerPaths, ...manifestPaths },
    components: { schemas, parameters },
  };
}

const status = { type: "object", required: ["status"], properties: { status: { type: "string" } } };

const aboutPaths = {
  "/": {
    get: {
      summary: "What this is, and what to try",
      responses: { "200": json("About", { type: "object" }) },
    },
  },
  "/healthz": { get: { summary: "The process answers", responses: { "200": json("It does", status) } } },
  "/readyz": {
    get: {
      summary: "The store behind it answers too",
      responses: { "200": json("It does", status), "503": error("It does not") },
    },
  },
  "/openapi.json": {
    get: { summary: "This document", responses: { "200": json("OpenAPI 3.1", { type: "object" }) } },
  },
};
