import { LayerdError } from "../../core/errors.ts";
import { parseRepositoryName } from "../../core/name.ts";
import type { Call } from "../request-context.ts";
import type { Route } from "../request-counts.ts";
import type { Service } from "../service.ts";
import { getBase } from "./base.ts";
import { deleteBlob, getBlob } from "./blobs.ts";
import { getCatalog } from "./catalog.ts";
import { deleteManifest, getManifest, putManifest } from "./manifests.ts";
import { parsePath, type V2Path } from "./path.ts";
import { getReferrers } from "./referrers.ts";
import { listTags } from "./tags.ts";
import { cancelUpload, finishUpload, openUpload, patchUpload, uploadStatus } from "./uploads.ts";

type Handler = (service: Service, ctx: Call, target: string) => unknown;
type Methods = Readonly<Record<string, Handler>>;

/** The OCI distribution API: which address is answered by which function. */
const ROUTES: Readonly<Record<V2Path["type"], Methods>> = {
  base: { GET: getBase, HEAD: getBase },
  catalog: { GET: getCatalog, HEAD: getCatalog },
  blob: { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob },
  uploads: { POST: openUpload },
  upload: { GET: uploadStatus, PATCH: patchUpload, PUT: finishUpload, DELETE: cancelUpload },
  manifest: { GET: getManifest, HEAD: getManifest, PUT: putManifest, DELETE: deleteManifest },
  tags: { GET: listTags, HEAD: listTags },
  referrers: { GET: getReferrers, HEAD: getReferrers },
};

const COUNTED_AS: Readonly<Record<V2Path["type"], Route>> = {
  base: "v2-base",
  catalog: "v2-catalog",
  blob: "v2-blob",
  uploads: "v2-upload",
  upload: "v2-upload",
  manifest: "v2-manifest",
  tags: "v2-tags",
  referrers: "v2-referrers",
};

/** Answers a request below `/v2`. @throws NOT_FOUND, METHOD_NOT_ALLOWED, NAME_INVALID */
export function dispatch(service: Service, ctx: Call, path: string): unknown {
  const parsed = parsePath(path);
  if (parsed === undefined) {
    throw new LayerdError("NOT_FOUND", `the distribution API has no ${path.slice(0, 200)}`);
  }
  ctx.layerd.route = COUNTED_AS[parsed.type];
  const handle = handlerOf(ROUTES[parsed.type], ctx.req.method ?? "");
  if ("name" in parsed) ctx.layerd.repository = parseRepositoryName(parsed.name);
  return handle(service, ctx, targetOf(parsed));
}

function handlerOf(methods: Methods, method: string): Handler {
  const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (handler !== undefined) return handler;
  const allow = Object.keys(methods).join(", ");
  throw new LayerdError("METHOD_NOT_ALLOWED", `${method} is not available here; try ${allow}`, {
    headers: { Allow: allow },
  });
}

function targetOf(path: V2Path): string {
  switch (path.type) {
    case "blob":
    case "referrers":
      return path.digest;
    case "manifest":
      return path.reference;
    case "upload":
      return path.id;
    default:
      return "";
  }
}
