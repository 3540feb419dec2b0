import type { Call } from "./request-context.ts";

/** Flat list of header names and values. */
export type Fields = readonly string[];

/**
 * Answers with a body that is in memory. Koa's own answering is bypassed, because headers written in one
 * prepared list cost half of headers set one by one.
 */
export function reply(ctx: Call, status: number, fields: Fields, body: Buffer | string = ""): void {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  ctx.respond = false;
  const length = status === 204 || status === 304 ? [] : ["Content-Length", String(bytes.length)];
  ctx.res.writeHead(status, [...ctx.layerd.fields, ...fields, ...length]);
  if (ctx.method === "HEAD") {
    ctx.res.end();
    return;
  }
  ctx.layerd.sent = bytes.length;
  ctx.res.end(bytes);
}

/** Answers with JSON, indented for those who read it in a terminal. */
export function replyJson(ctx: Call, status: number, value: unknown, fields: Fields = []): void {
  reply(ctx, status, [...fields, ...JSON_FIELDS], toJson(value));
}

export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

export const JSON_FIELDS: Fields = [
  "Content-Type",
  "application/json",
  "X-Content-Type-Options",
  "nosniff",
  "Cache-Control",
  "no-store",
];
