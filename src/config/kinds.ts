import { inspect } from "node:util";
import { z } from "zod";
import { parseRepositoryName } from "../core/name.ts";

/** How the values of a setting look: what is valid in code, and how one is written in text and in JSON. */
export interface Kind<T> {
  readonly type: z.ZodType<T>;
  /** What is expected, as the end of "… is not …". Absent where `type` itself says what is wrong, by its path. */
  readonly expected?: string;
  /** Whether a value must not be repeated where others may read it, other than by `show`. */
  readonly secret?: true;
  /** Reads what stands in a flag, an environment variable or a file; what it cannot read it returns as is. */
  read(written: unknown): unknown;
  /** The value as somebody would write it. */
  show(value: T): string;
}

/** A value of a kind; or where it is wrong, and a sentence about it. */
export type Checked<T> =
  | { readonly value: T }
  | { readonly path: readonly PropertyKey[]; readonly message: string };

/** Reads what was written, unless it was read already, and checks it. */
export function check<T>(kind: Kind<T>, written: unknown, read = kind.read(written)): Checked<T> {
  const result = kind.type.safeParse(read);
  if (result.success) return { value: Object.freeze(result.data) };
  const { path = [], message = "" } = result.error.issues[0] ?? {};
  if (kind.expected === undefined) return { path, message };
  if (kind.secret === true) return { path: [], message: `what was given is not ${kind.expected}` };
  const culprit = Array.isArray(read) && typeof path[0] === "number" ? read[path[0]] : written;
  return { path: [], message: `${inspect(culprit)} is not ${kind.expected}` };
}

/** A whole number of bytes. Text may carry a unit: powers of 1024 (KiB, MiB, …) or of 1000 (kB, MB, …). */
export const size: Kind<number> = {
  type: z.int().nonnegative(),
  expected: "a size such as 1048576, 512MiB or 1GB",
  read: (written) => (typeof written === "string" ? readAmount(written, BYTES) : written),
  show: (value) => showAmount(value, BYTES),
};

// setTimeout fires at once when asked to wait longer than this.
const LONGEST_WAIT = 2 ** 31 - 1;

/** Milliseconds in code. In text and in files always with a unit: a bare 60 would be read as seconds. */
export const duration: Kind<number> = {
  type: z.int().positive().max(LONGEST_WAIT),
  expected: "a duration of at most 24 days, such as 500ms, 30s, 10m or 24h",
  read: (written) => (typeof written === "string" ? readAmount(written, MILLISECONDS) : String(written)),
  show: (value) => showAmount(value, MILLISECONDS),
};

/** How long something is kept: milliseconds, or for ever, which is `Infinity`. */
export const period: Kind<number> = {
  type: z.union([z.int().positive(), z.literal(Number.POSITIVE_INFINITY)]),
  expected: '"forever" or a duration such as 12h or 90d',
  read: (written) => (written === "forever" ? Number.POSITIVE_INFINITY : duration.read(written)),
  show: (value) => (value === Number.POSITIVE_INFINITY ? "forever" : showAmount(value, MILLISECONDS)),
};

/** A whole number, 0 included. */
export const count: Kind<number> = {
  type: z.int().nonnegative(),
  expected: "a whole number such as 100",
  read: (written) => (typeof written === "string" && /^\d+$/.test(written) ? Number(written) : written),
  show: String,
};

export const port: Kind<number> = {
  type: z.int().min(0).max(65_535),
  expected: "a port number from 0 to 65535",
  read: (written) => (typeof written === "string" && /^\d+$/.test(written) ? Number(written) : written),
  show: String,
};

/** A port, or none. */
export const portOrOff: Kind<number | "off"> = {
  type: z.union([port.type, z.literal("off")]),
  expected: "off or a port number from 0 to 65535",
  read: (written) => port.read(written),
  show: String,
};

/** How many of something, at least one. */
export const some: Kind<number> = {
  type: z.int().min(1).max(1000),
  expected: "a number from 1 to 1000",
  read: (written) => port.read(written),
  show: String,
};

/** The same, or as many as the machine has processors. */
export const someOrAuto: Kind<number | "auto"> = {
  type: z.union([some.type, z.literal("auto")]),
  expected: "auto or a number from 1 to 1000",
  read: (written) => some.read(written),
  show: String,
};

export const boolean: Kind<boolean> = {
  type: z.boolean(),
  expected: "true or false",
  read: (written) => (written === "true" || written === "false" ? written === "true" : written),
  show: String,
};

export function oneOf<const T extends string>(...values: readonly T[]): Kind<T> {
  return {
    type: z.enum(values),
    expected: `one of ${values.join(", ")}`,
    read: (written) => written,
    show: String,
  };
}

/** Text that `pattern` matches. */
export function text(expected: string, pattern: RegExp): Kind<string> {
  return { type: z.string().regex(pattern), expected, read: (written) => written, show: String };
}

export const repositoryName: Kind<string> = {
  type: z.string().refine(isRepositoryName),
  expected: "a repository name: lower-case words joined by . _ - or /",
  read: (written) => written,
  show: String,
};

function isRepositoryName(name: string): boolean {
  try {
    return parseRepositoryName(name) === name;
  } catch {
    return false;
  }
}

/** In text, the items stand between commas; a flag can also be given several times. */
export function list({ type, ...item }: Kind<string>): Kind<readonly string[]> {
  return {
    ...item,
    type: z.array(type).readonly(),
    read: (written) => (typeof written === "string" ? splitList(written) : written),
    show: (value) => value.join(","),
  };
}

function splitList(written: string): string[] {
  return written
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

type Units = ReadonlyMap<string, number>;

/** A value is shown in the first unit that divides it. */
const BYTES: Units = new Map([
  ...(["TiB", "GiB", "MiB", "KiB"] as const).map((unit, index) => [unit, 1024 ** (4 - index)] as const),
  ...(["TB", "GB", "MB", "kB"] as const).map((unit, index) => [unit, 1000 ** (4 - index)] as const),
  ["B", 1],
  ["", 1],
]);

const MILLISECONDS: Units = new Map([
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
  ["d", 86_400_000],
]);

const AMOUNT = /^(\d{1,16}(?:\.\d{1,6})?) ?([a-z]*)$/i;

function readAmount(written: string, units: Units): unknown {
  const [, digits, name = ""] = AMOUNT.exec(written.trim()) ?? [];
  const unit = [...units].find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];
  return digits === undefined || unit === undefined ? written : Math.round(Number(digits) * unit);
}

function showAmount(value: number, units: Units): string {
  for (const [name, unit] of units) if (value >= unit && value % unit === 0) return `${value / unit}${name}`;
  return String(value);
}
