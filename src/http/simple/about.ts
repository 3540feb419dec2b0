import { replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";

/** `GET /`: what this is, and what to try. */
export function getAbout(service: Service, ctx: Call): void {
  const here = `${ctx.protocol}://${ctx.host || "localhost:4000"}${service.links.to(ctx, "")}`;
  replyJson(ctx, 200, {
    name: "layerd",
    what: "a content-addressed store for layers and manifests, and an OCI registry",
    repository: ctx.layerd.repository,
    try: [
      `curl -X POST -T layer.tar.gz ${here}/layer`,
      `curl -r 0-99 ${here}/layer/sha256:…`,
      `curl -d '{"layers": ["sha256:…"], "tag": "latest"}' ${here}/manifest`,
      `curl ${here}/manifest/latest`,
      `skopeo copy --dest-tls-verify=false oci:DIR docker://${ctx.host || "localhost:4000"}/NAME:TAG`,
    ],
    api: service.links.to(ctx, "/openapi.json"),
  });
}
