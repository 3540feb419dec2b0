import { z } from "zod";
import type { Kind } from "./kinds.ts";

/** The index is kept in the data directory. */
export const FILES = "files";

/** Where an index is: in files, or behind the URL of a database, which may hold a password. */
export const indexPlace: Kind<string> = {
  type: z.string().refine((value) => value === FILES || isPostgres(value)),
  expected: "files or a URL such as postgres://layerd@db.example.com/layerd",
  secret: true,
  read: (written) => written,
  show: withoutPassword,
};

function isPostgres(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^postgres(?:ql)?:$/.test(url.protocol) && url.pathname.length > 1;
}

/** The URL as it may be shown to everybody. */
export function withoutPassword(text: string): string {
  const url = URL.parse(text);
  if (url === null) return text;
  if (url.password !== "") url.password = "***";
  for (const key of url.searchParams.keys()) {
    if (/password/i.test(key)) url.searchParams.set(key, "***");
  }
  return url.href;
}
