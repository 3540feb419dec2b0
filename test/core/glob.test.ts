import test from "ava";
import fc from "fast-check";
import { anyOf, pathGlob, textGlob } from "../../src/core/glob.ts";

const paths: readonly (readonly [pattern: string, fits: readonly string[], not: readonly string[]])[] = [
  ["team/app", ["team/app"], ["team", "team/app/x", "team/apps", "xteam/app"]],
  ["team/*", ["team/app", "team/a-b"], ["team", "team/app/x", "teams/app"]],
  ["team/**", ["team/app", "team/app/x"], ["team", "teams/app"]],
  ["team**", ["team", "teams", "team/app", "teams/app"], ["my/team"]],
  ["*", ["app"], ["team/app"]],
  ["**", ["app", "team/app"], []],
  ["*/app", ["team/app"], ["app", "a/b/app"]],
  ["**/app", ["app", "team/app", "a/b/app"], ["myapp", "team/myapp", "app/x"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "b"]],
  ["a**/b", ["a/b", "ax/y/b"], ["ab"]],
  ["team/*-dev", ["team/app-dev", "team/-dev"], ["team/app-dev-x", "team/a/b-dev"]],
  ["a.b", ["a.b"], ["axb"]],
];

for (const [pattern, fits, not] of paths) {
  test(`the path pattern ${pattern} fits what it should, and nothing else`, (t) => {
    t.deepEqual([...fits, ...not].filter(pathGlob(pattern)), fits);
  });
}

test("in a text pattern, * is any run of characters", (t) => {
  const fits = textGlob("application/*+json");
  t.true(fits("application/vnd.oci.image.manifest.v1+json"));
  t.true(fits("application/a/b+json"));
  t.false(fits("application/json"));
  t.false(fits("text/x+json"));
});

test("of several patterns, the last that fits decides", (t) => {
  const fits = anyOf(["v*", "!v0.*", "v0.9"], textGlob);
  t.deepEqual(["v1", "v0.1", "v0.9", "latest"].filter(fits), ["v1", "v0.9"]);
});

test("a list that begins by excluding begins with everything", (t) => {
  const fits = anyOf(["!latest", "!dev-*"], textGlob);
  t.deepEqual(["v1", "latest", "dev-1"].filter(fits), ["v1"]);
});

test("no patterns fit nothing", (t) => {
  t.false(anyOf([], textGlob)("latest"));
});

/** The definition, tried out: every way in which the pattern's first star can be read. */
function naive(pattern: string, text: string, path: boolean, before = "/"): boolean {
  const [first = ""] = pattern;
  if (pattern === "") return text === "";
  if (first !== "*") return text[0] === first && naive(pattern.slice(1), text.slice(1), path, first);
  const stars = /^\*+/.exec(pattern)?.[0] ?? "";
  const rest = pattern.slice(stars.length);
  const wide = !path || stars.length > 1;
  const cuts = Array.from({ length: text.length + 1 }, (_, at) => at);
  if (wide && path && before === "/" && rest.startsWith("/") && naive(rest.slice(1), text, path)) return true;
  return cuts.some(
    (at) => (wide || !text.slice(0, at).includes("/")) && naive(rest, text.slice(at), path, "*"),
  );
}

const pattern = fc
  .array(fc.constantFrom("a", "b", "/", "*", "**", "**/", "/**", "a/"), { maxLength: 7 })
  .map((tokens) => tokens.join(""));
const text = fc.array(fc.constantFrom("a", "b", "/"), { maxLength: 9 }).map((letters) => letters.join(""));

test("both kinds of patterns agree with their definition", (t) => {
  fc.assert(
    fc.property(pattern, text, (glob, candidate) => {
      t.is(pathGlob(glob)(candidate), naive(glob, candidate, true), `${glob} for ${candidate} as a path`);
      t.is(textGlob(glob)(candidate), naive(glob, candidate, false), `${glob} for ${candidate} as text`);
    }),
    { numRuns: 2000 },
  );
});

test("a pattern made to be slow is not", (t) => {
  // With a backtracking matcher this would not end today.
  const fits = pathGlob(`${"*a".repeat(60)}b`);
  t.false(fits("a".repeat(255)));
  t.false(textGlob("*a".repeat(60))("a".repeat(255).concat("b")));
});
