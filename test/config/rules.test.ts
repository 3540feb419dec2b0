import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  ConfigError,
  configAsJson,
  describeConfig,
  loadConfig,
  type RuleOptions,
  resolveStoreConfig,
  storeConfigOf,
} from "../../src/config.ts";
import { temporaryDirectory } from "../tools/server.ts";

function refuses(t: ExecutionContext, rules: unknown, sentence: string) {
  const work = () => resolveStoreConfig({ rules: rules as RuleOptions[] });
  t.is(t.throws(work, { instanceOf: ConfigError })?.message, sentence);
}

test("there are no rules unless somebody makes some", (t) => {
  t.deepEqual(loadConfig({}, {}).config.rules, []);
});

test("a rule may be written briefly", (t) => {
  const brief: RuleOptions = {
    repositories: "team/**",
    readOnly: false,
    immutableTags: "v*",
    mediaTypes: "application/vnd.oci.image.*",
    maxBlobSize: "10GiB",
    maxManifestSize: 1000,
    sparse: true,
  };
  t.deepEqual(resolveStoreConfig({ rules: [brief] }).rules, [
    {
      repositories: ["team/**"],
      readOnly: false,
      immutableTags: ["v*"],
      mediaTypes: ["application/vnd.oci.image.*"],
      maxBlobSize: 10 * 1024 ** 3,
      maxManifestSize: 1000,
      sparse: true,
    },
  ]);
});

test("immutableTags is true for all and false for none", (t) => {
  const rules = [true, false].map((immutableTags) => ({ repositories: "a", immutableTags }));
  t.deepEqual(
    resolveStoreConfig({ rules }).rules.map(({ immutableTags }) => immutableTags),
    [["*"], []],
  );
});

test("a property that is undefined is left out", (t) => {
  const rules = [{ repositories: "a", readOnly: undefined }];
  t.deepEqual(resolveStoreConfig({ rules }).rules, [{ repositories: ["a"] }]);
});

test("rules cannot be changed once they are read", (t) => {
  const [rule] = resolveStoreConfig({ rules: [{ repositories: ["a"], immutableTags: ["v*"] }] }).rules;
  t.true(Object.isFrozen(rule));
  t.true(Object.isFrozen(rule?.repositories));
  t.true(Object.isFrozen(rule?.immutableTags));
});

test("rules that were read are read again as they are", (t) => {
  const { config } = loadConfig(
    { rules: '{"repositories": "a", "immutableTags": true, "maxBlobSize": "1kB"}' },
    {},
  );
  t.deepEqual(resolveStoreConfig(storeConfigOf(config)).rules, config.rules);
});

test("which tags are kept may be written briefly, and shown again as one would write it", (t) => {
  const rules = '[{"repositories":"a","keepTags":{"newest":10,"youngerThan":"30d","matching":"v*"}}]';
  const resolved = loadConfig({ rules }, {});
  const [rule] = resolved.config.rules;
  t.deepEqual(rule?.keepTags, { newest: 10, youngerThan: 30 * 86_400_000, matching: ["v*"] });
  t.deepEqual(resolveStoreConfig(storeConfigOf(resolved.config)).rules, resolved.config.rules);
  const shown = describeConfig(resolved);
  t.true(shown.includes('"keepTags":{"newest":10,"youngerThan":"720h","matching":["v*"]}'), shown);
  const all = resolveStoreConfig({ rules: [{ repositories: "a", keepTags: "all" }] });
  t.is(all.rules[0]?.keepTags, "all");
});

const texts: readonly (readonly [what: string, text: string, repositories: readonly string[]])[] = [
  ["one rule", '{"repositories": "a"}', ["a"]],
  ["a list", '[{"repositories": "a"}, {"repositories": "b"}]', ["a", "b"]],
  [
    "several between commas, as from repeated flags",
    '{"repositories": "a"},[{"repositories": "b"}]',
    ["a", "b"],
  ],
  ["an empty list, which takes back those of the file", "[]", []],
];

for (const [what, text, repositories] of texts) {
  test(`the JSON of a flag or variable may be ${what}`, (t) => {
    const { rules } = loadConfig({}, { LAYERD_RULES: text }).config;
    t.deepEqual(
      rules.flatMap((rule) => rule.repositories),
      repositories,
    );
  });
}

const EXPECTED = 'a rule such as {"repositories": "team/**", "readOnly": true}';
const wrong: readonly (readonly [what: string, rules: unknown, sentence: string])[] = [
  ["text that is no JSON", "team/**", `rules: 'team/**' is not ${EXPECTED}`],
  ["a rule that is no object", [{ repositories: "a" }, "b"], `rules[1]: 'b' is not ${EXPECTED}`],
  [
    "a rule without repositories",
    [{ readOnly: true }],
    "rules[0]: it does not say for which repositories it is",
  ],
  [
    "an unknown property",
    [{ repositories: "a" }, { repositories: "b", readonly: true }],
    "rules[1]: a rule has no readonly; did you mean readOnly?",
  ],
  [
    "a property that every object has",
    [{ repositories: "b", constructor: true }],
    "rules[0]: a rule has no constructor; did you mean sparse?",
  ],
  [
    "a wrong size",
    [{ repositories: "a" }, { repositories: "b" }, { repositories: "c", maxBlobSize: "10XB" }],
    "rules[2].maxBlobSize: '10XB' is not a size such as 1048576, 512MiB or 1GB",
  ],
  ["a wrong boolean", [{ repositories: "a", sparse: 1 }], "rules[0].sparse: 1 is not true or false"],
  [
    "a repository that cannot exist",
    [{ repositories: ["a", "Team/*"] }],
    "rules[0].repositories: 'Team/*' is not a pattern for repositories such as team/app, team/* or team/**",
  ],
  [
    "braces",
    [{ repositories: "{a,b}" }],
    "rules[0].repositories: '{a,b}' is not a pattern for repositories such as team/app, team/* or team/**",
  ],
  [
    "a slash at the end",
    [{ repositories: "team/" }],
    "rules[0].repositories: 'team/' is not a pattern for repositories such as team/app, team/* or team/**",
  ],
  [
    "no repositories at all",
    [{ repositories: [] }],
    "rules[0].repositories: [] is not a pattern for repositories such as team/app, team/* or team/**",
  ],
  [
    "a tag that cannot exist",
    [{ repositories: "a", immutableTags: ["v 1"] }],
    "rules[0].immutableTags: 'v 1' is not true, false or a pattern for tags such as v* or !latest",
  ],
  [
    "a rule that keeps no tags",
    [{ repositories: "a", keepTags: {} }],
    'rules[0].keepTags: it does not say which tags stay; "all" is every one',
  ],
  [
    "a way of keeping tags that there is not",
    [{ repositories: "a", keepTags: { newst: 10 } }],
    "rules[0].keepTags: keepTags has no newst; did you mean newest?",
  ],
  [
    "a list of tags to keep",
    [{ repositories: "a", keepTags: ["v*"] }],
    `rules[0].keepTags: [ 'v*' ] is not "all", or an object such as {"newest": 10, "youngerThan": "30d", "matching": "v*"}`,
  ],
  [
    "no newest tag",
    [{ repositories: "a", keepTags: { newest: 0 } }],
    "rules[0].keepTags.newest: 0 is not a number of tags such as 10",
  ],
  [
    "an age without a unit",
    [{ repositories: "a", keepTags: { youngerThan: "30" } }],
    "rules[0].keepTags.youngerThan: '30' is not a duration such as 12h or 90d",
  ],
  [
    "half a media type",
    [{ repositories: "a", mediaTypes: "vnd.oci.image" }],
    "rules[0].mediaTypes: 'vnd.oci.image' is not a pattern for media types such as application/vnd.oci.image.*",
  ],
];

for (const [what, rules, sentence] of wrong) {
  test(`${what} is refused in one sentence`, (t) => {
    refuses(t, rules, sentence);
  });
}

test("a wrong rule is blamed on the flag, the variable or the file that has it", async (t) => {
  const rules = '[{"repositories": "a", "maxBlobSize": "x"}]';
  const fault = "[0].maxBlobSize: 'x' is not a size such as 1048576, 512MiB or 1GB";
  const config = join(await temporaryDirectory(t), "layerd.json");
  await writeFile(config, `{"rules": ${rules}}`);
  t.throws(() => loadConfig({ rules }, {}), { message: `--rule${fault}` });
  t.throws(() => loadConfig({}, { LAYERD_RULES: rules }), { message: `LAYERD_RULES${fault}` });
  t.throws(() => loadConfig({ config }, {}), { message: `${config}: rules${fault}` });
});

test("rules are shown a line each, below the name, and can be copied from there", (t) => {
  const written = [
    '{"repositories":["**"],"maxBlobSize":"10GiB"}',
    '{"repositories":["release/**"],"immutableTags":["*","!latest"]}',
  ];
  const lines = describeConfig(loadConfig({}, { LAYERD_RULES: written.join() })).split("\n");
  const at = lines.findIndex((line) => line.startsWith("rules "));
  t.regex(lines[at] ?? "", /^rules +LAYERD_RULES$/);
  t.deepEqual(lines.slice(at + 1, at + 3), [`  ${written[0]},`, `  ${written[1]}`]);
});

test("as JSON, the sizes of rules are plain numbers", (t) => {
  const rules = '{"repositories": "a", "maxBlobSize": "1KiB"}';
  const shown = configAsJson(loadConfig({ rules }, {})) as Record<string, unknown>;
  t.deepEqual(shown.rules, {
    value: [{ repositories: ["a"], maxBlobSize: 1024 }],
    from: { kind: "flag", name: "--rule" },
  });
});

test("the examples of docs/rules.md are config files", async (t) => {
  const config = join(await temporaryDirectory(t), "layerd.json");
  const counts: number[] = [];
  for (const [, example = ""] of (await readFile("docs/rules.md", "utf8")).matchAll(
    /```json\n([\s\S]*?)```/g,
  )) {
    await writeFile(config, example);
    counts.push(loadConfig({ config }, {}).config.rules.length);
  }
  t.deepEqual(counts, [4, 2]);
});
