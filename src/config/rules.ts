import { inspect } from "node:util";
import { z } from "zod";
import type { KeepTags, RepositoryRule } from "../core/rules.ts";
import { boolean, type Kind, period, size } from "./kinds.ts";
import { checkObject, type PropertiesOf, typeOf } from "./properties.ts";

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
  /** Which tags stay. Default: "all". */
  readonly keepTags?: "all" | KeepTagsOptions;
  /** How long manifests that have no tag are kept, as in `30d`. Default: "forever". */
  readonly keepUntagged?: string;
  /**
   * How long blobs that no manifest names are kept, as in `12h`. Default: the setting `gcGrace`; "forever" in the
   * repository that `/layer` shows.
   */
  readonly keepUnused?: string;
}

/** Tags of which any of this is true. */
export interface KeepTagsOptions {
  /** So many of those that were set last. */
  readonly newest?: number;
  /** Those that were set since, as in `30d`. */
  readonly youngerThan?: string;
  /** Patterns such as `v*` and `!v0.*`. */
  readonly matching?: string | readonly string[];
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
const TAGS = /^!?[a-zA-Z0-9._*-]+$/;
const tags = patterns("true, false or a pattern for tags such as v* or !latest", TAGS, 0);

/** What is written with a unit. */
const MEASURES = {
  maxBlobSize: size,
  maxManifestSize: size,
  youngerThan: { ...period, type: z.int().positive(), expected: "a duration such as 12h or 90d" },
  keepUntagged: period,
  keepUnused: period,
} satisfies Record<string, Kind<number>>;

const KEEP_TAGS: PropertiesOf<KeepTags> = {
  newest: {
    type: z.int().positive(),
    expected: "a number of tags such as 10",
    read: (written) => written,
    show: String,
  },
  youngerThan: MEASURES.youngerThan,
  matching: patterns("a pattern for tags such as v* or !latest", TAGS),
};

const keepTags: Kind<KeepTags | "all"> = {
  type: typeOf<KeepTags | "all">((written) =>
    written === "all"
      ? { value: written }
      : checkObject(
          KEEP_TAGS,
          {
            noun: "keepTags",
            expected: '"all", or an object such as {"newest": 10, "youngerThan": "30d", "matching": "v*"}',
            lacks: noTags,
          },
          written,
        ),
  ),
  read: (written) => written,
  show: String,
};

/** Taken literally it would keep none, which nobody means. */
function noTags(written: Record<string, unknown>): string | undefined {
  const nothing = Object.values(written).every((value) => value === undefined);
  return nothing ? 'it does not say which tags stay; "all" is every one' : undefined;
}

const PROPERTIES: PropertiesOf<RepositoryRule> = {
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
  maxBlobSize: MEASURES.maxBlobSize,
  maxManifestSize: MEASURES.maxManifestSize,
  sparse: boolean,
  keepTags,
  keepUntagged: MEASURES.keepUntagged,
  keepUnused: MEASURES.keepUnused,
};

function readTags(written: unknown): unknown {
  if (typeof written === "boolean") return written ? ["*"] : [];
  return tags.read(written);
}

const EXPECTED = 'a rule such as {"repositories": "team/**", "readOnly": true}';

const rule = typeOf((written) =>
  checkObject<RepositoryRule>(
    PROPERTIES,
    { noun: "a rule", expected: EXPECTED, lacks: noRepositories },
    written,
  ),
);

function noRepositories({ repositories }: Record<string, unknown>): string | undefined {
  return repositories === undefined ? "it does not say for which repositories it is" : undefined;
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
  return typeof value === "number" && Object.hasOwn(MEASURES, key)
    ? MEASURES[key as keyof typeof MEASURES].show(value)
    : value;
}
