import { checkWritePreconditions, strongTags } from "../../core/conditional.ts";
import { type Digest, isDigest } from "../../core/digest.ts";
import { isLayerdError } from "../../core/errors.ts";
import type { Tag } from "../../core/name.ts";
import type { Requirement } from "../../index/port.ts";
import type { Reference } from "../../registry/manifests.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";

/**
 * Preconditions of a change to a tag (RFC 9110 §13.1): compare-and-set. What is known to fail is refused at
 * once; the rest is required at the moment the change takes effect, so that of two writers one wins.
 * @throws PRECONDITION_FAILED
 */
export async function guardTag(service: Service, ctx: Call, tag: Tag): Promise<Requirement[]> {
  const { "if-match": match, "if-none-match": noneMatch } = ctx.req.headers;
  if (match === undefined && noneMatch === undefined) return [];
  const now = await current(service, ctx, { tag });
  checkWritePreconditions(ctx.req.headers, etagOf(now));
  return [
    ...(match === undefined ? [] : [{ type: "tagAmong", tag, digests: digestsOf(match) } as const]),
    ...(noneMatch === undefined ? [] : [{ type: "tagAt", tag, digest: now ?? null } as const]),
  ];
}

/** The same for a manifest named by its digest, of which there is only one. @throws PRECONDITION_FAILED */
export async function checkManifest(service: Service, ctx: Call, digest: Digest): Promise<void> {
  const { "if-match": match, "if-none-match": noneMatch } = ctx.req.headers;
  if (match === undefined && noneMatch === undefined) return;
  checkWritePreconditions(ctx.req.headers, etagOf(await current(service, ctx, { digest })));
}

async function current(service: Service, ctx: Call, reference: Reference): Promise<Digest | undefined> {
  try {
    return (await service.registry.manifests.find(ctx.layerd.repository, reference)).digest;
  } catch (error) {
    if (isLayerdError(error, "TAG_UNKNOWN") || isLayerdError(error, "MANIFEST_UNKNOWN")) return undefined;
    throw error;
  }
}

function etagOf(digest: Digest | undefined): string | undefined {
  return digest === undefined ? undefined : `"${digest}"`;
}

function digestsOf(field: string): readonly Digest[] | "any" {
  return field === "*"
    ? "any"
    : strongTags(field)
        .map((tag) => tag.slice(1, -1))
        .filter(isDigest);
}
