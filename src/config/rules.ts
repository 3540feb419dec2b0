import { inspect } from "node:util";
import { z } from "zod";
import type { RepositoryRule } from "../core/rules.ts";
import { boolean, type Checked, check, type Kind, period, size } from "./kinds.ts";
import { didYouMean } from "./nearest.ts";

/** A rule as code and files may give it; `docs/rules.md` says what each property means. */
export interface RuleOptions {
  /** Which repositories: patterns such as `team/*` and `team/**`. */
  readonly repositories: string | readonly string[];
  /** Default: false. */
  readonly readOnly?: boolean;
  /** All tags, none, or those that patterns such as `v*` fit. Default: none. */
  readonly immutableTags?: boolean | string | readonly string[];
  /** Patterns such as `application/vnd.oci.image.*`. Default: every media type. */
  readonly mediaTypes?: string | readonly string[];
  /** Bytes, or as in `10GiB`. Default: the setting `maxLayerSize`. */
  readonly maxBlobSize?: number | string;
  /** Bytes, or as in `1MiB`. Default: the setting of the same name. */
  readonly maxManifestSize?: number | string;
  /** Default: the setting of the same name. */
  readonly sparse?: boolean;
  /** How long manifests that have no tag are kept, as in `30d`. Default: "forever". */
  readonly keepUntagged?: string;
  /**
   * How long blobs that no manifest names are kept, as in `12h`. Default: the setting `gcGrace`; "forever" in the
   * repository that `/layer` shows.
   */
  readonly keepUnused?: string;
}

/** A list of patterns, at least `min`; one may stand by itself. */
function patterns(expected: string, grammar: RegExp, min = 1): Kind<readonly string[]> {
  return {
    type: z.array(z.string().regex(grammar)).min(min).readonly(),
    expected,
    read: (written) => (typeof written === "string" ? [written] : written),
    show: (value) => value.join(","),
  };
}

// A pattern has stars, the characters of the names that it is for, and maybe a ! before it: others never fit.
const tags = patterns("true, false or a pattern for tags such as v* or !latest", /^!?[a-zA-Z0-9._*-]+$/, 0);

const PROPERTIES: { readonly [K in keyof RepositoryRule]-?: Kind<NonNullable<RepositoryRule[K]>> } = {
  repositories: patterns(
    "a pattern for repositories such as team/app, team/* or team/**",
    /^!?[a-z0-9._*-]+(?:\/[a-z0-9._*-]+)*$/,
  ),
  readOnly: boolean,
  immutableTags: { ...tags, read: readTags },
  mediaTypes: patterns(
    "a pattern for media types such as application/vnd.oci.image.*",
    /^!?(?=.*[/*])[A-Za-z0-9!#$&^_.+*/-]+$/,
  ),
  maxBlobSize: size,
  maxManifestSize: size,
  sparse: boolean,
  keepUntagged: period,
  keepUnused: period,
};

function readTags(written: unknown): unknown {
  if (typeof written === "boolean") return written ? ["*"] : [];
  return tags.read(written);
}

const EXPECTED = 'a rule such as {"repositories": "team/**", "readOnly": true}';

/** Rules that have been read: their durations are numbers now, which nobody may write. */
const READ = new WeakSet<object>();

const rule = z.unknown().transform((written, context): RepositoryRule => {
  const fault = (path: readonly PropertyKey[], message: string) => {
    context.addIssue({ code: "custom", path: [...path], message });
    return z.NEVER;
  };
  if (isObject(written) && READ.has(written)) return written as unknown as RepositoryRule;
  if (!isObject(written)) return fault([], `${inspect(written)} is not ${EXPECTED}`);
  if (written.repositories === undefined) return fault([], "it does not say for which repositories it is");
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(written)) {
    if (value === undefined) continue;
    const checked = checkProperty(key, value);
    if ("message" in checked) return fault(checked.path, checked.message);
    values[key] = checked.value;
  }
  READ.add(Object.freeze(values));
  return values as unknown as RepositoryRule;
});

function checkProperty(key: string, written: unknown): Checked<unknown> {
  if (!isProperty(key)) {
    return { path: [], message: `a rule has no ${key}; ${didYouMean(key, Object.keys(PROPERTIES))}` };
  }
  const checked = check<unknown>(PROPERTIES[key], written);
  return "message" in checked ? { path: [key], message: checked.message } : checked;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isProperty(key: string): key is keyof RepositoryRule {
  return Object.hasOwn(PROPERTIES, key);
}

/** A list of rules. Its text is JSON: a rule, several between commas, or a list of them. */
export const repositoryRules: Kind<readonly RepositoryRule[]> = {
  type: z.array(rule, { error: ({ input }) => `${inspect(input)} is not ${EXPECTED}` }).readonly(),
  read: (written) => (typeof written === "string" ? parseJson(written) : written),
  // A line each, for people.
  show: (rules) => rules.map((each) => `\n${JSON.stringify(each, showProperty)}`).join(","),
};

/** What is no JSON stays as it is, to be shown in the error. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(`[${text}]`).flat();
  } catch {
    return text;
  }
}

function showProperty(key: string, value: unknown): unknown {
  return typeof value === "number" && isProperty(key)
    ? (PROPERTIES[key] as Kind<unknown>).show(value)
    : value;
}
