import { inspect } from "node:util";
import { z } from "zod";
import { type Checked, check, type Kind } from "./kinds.ts";
import { didYouMean } from "./nearest.ts";

/** The kind of each property of an object. */
export type PropertiesOf<T> = { readonly [K in keyof T]-?: Kind<NonNullable<T[K]>> };

/** What errors say of an object. */
export interface About {
  /** What it is called. */
  readonly noun: string;
  /** The end of "… is not …". */
  readonly expected: string;
  /** A sentence about what is missing, if something is. */
  lacks(written: Record<string, unknown>): string | undefined;
}

/** Objects that have been read: their durations are numbers now, which nobody may write. */
const READ = new WeakSet<object>();

/** Reads an object whose properties are known, and checks each by its kind. */
export function checkObject<T extends object>(
  properties: PropertiesOf<T>,
  about: About,
  written: unknown,
): Checked<T> {
  if (!isObject(written)) return { path: [], message: `${inspect(written)} is not ${about.expected}` };
  if (READ.has(written)) return { value: written as T };
  const lack = about.lacks(written);
  if (lack !== undefined) return { path: [], message: lack };
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(written)) {
    if (value === undefined) continue;
    const checked = checkProperty(properties, about.noun, key, value);
    if ("message" in checked) return checked;
    values[key] = checked.value;
  }
  READ.add(Object.freeze(values));
  return { value: values as T };
}

function checkProperty<T extends object>(
  properties: PropertiesOf<T>,
  noun: string,
  key: string,
  written: unknown,
): Checked<unknown> {
  if (!has(properties, key)) {
    return { path: [], message: `${noun} has no ${key}; ${didYouMean(key, Object.keys(properties))}` };
  }
  const checked = check<unknown>(properties[key], written);
  return "message" in checked ? { path: [key, ...checked.path], message: checked.message } : checked;
}

/** The type of what `read` takes. */
export function typeOf<T>(read: (written: unknown) => Checked<T>): z.ZodType<T> {
  return z.unknown().transform((written, context): T => {
    const checked = read(written);
    if ("value" in checked) return checked.value;
    context.addIssue({ code: "custom", path: [...checked.path], message: checked.message });
    return z.NEVER;
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function has<T extends object>(properties: T, key: string): key is keyof T & string {
  return Object.hasOwn(properties, key);
}
