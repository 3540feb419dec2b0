/** Tells whether a text fits. */
export type Matcher = (text: string) => boolean;

/**
 * A pattern for names whose parts stand between slashes: `*` is any run of characters of one part, `**` of any
 * number of parts. `**` as a whole part before others may also stand for none: with `/app` after it, it fits
 * `app`. Anything else is meant literally.
 */
export function pathGlob(pattern: string): Matcher {
  return follow(pattern.match(/(?<=^|\/)\*{2,}\/|\*+|[^*]+/g) ?? [], (token) => {
    if (token.startsWith("**")) return token.endsWith("/") ? anyParts : anything;
    return token === "*" ? withinPart : literal(token);
  });
}

/** A pattern in which `*` is any run of characters, and anything else is meant literally. */
export function textGlob(pattern: string): Matcher {
  return follow(pattern.match(/\*+|[^*]+/g) ?? [], (token) =>
    token.startsWith("*") ? anything : literal(token),
  );
}

/**
 * One matcher of several patterns, of which the last that fits decides; with `!` before it, it excludes. A list
 * that begins by excluding begins with everything.
 */
export function anyOf(patterns: readonly string[], glob: (pattern: string) => Matcher): Matcher {
  const steps = patterns.map((pattern) => ({
    includes: !pattern.startsWith("!"),
    fits: glob(pattern.replace(/^!/, "")),
  }));
  const otherwise = steps[0]?.includes === false;
  return (text) => steps.findLast(({ fits }) => fits(text))?.includes ?? otherwise;
}

/*
 * No regular expressions: they try one way after the other, and a name that somebody chose for it keeps
 * `*a*a*a*` busy for minutes. Here all ways go forward together, so that a match takes no more than the length of
 * the text times that of the pattern.
 */

/** From where a match may have come (offsets in the text, ascending, at least one), to where a token can take it. */
type Step = (text: string, from: readonly number[]) => readonly number[];

function follow(tokens: readonly string[], stepOf: (token: string) => Step): Matcher {
  const steps = tokens.map(stepOf);
  return (text) => {
    let reached: readonly number[] = [0];
    for (const step of steps) {
      reached = step(text, reached);
      if (reached.length === 0) return false;
    }
    return reached.at(-1) === text.length;
  };
}

function literal(token: string): Step {
  return (text, from) => from.filter((at) => text.startsWith(token, at)).map((at) => at + token.length);
}

function anything(text: string, [first = 0]: readonly number[]): number[] {
  return Array.from({ length: text.length - first + 1 }, (_, index) => first + index);
}

function anyParts(text: string, from: readonly number[]): number[] {
  const first = from[0] ?? 0;
  return anything(text, from).filter((at) => at === first || text[at - 1] === "/");
}

function withinPart(text: string, from: readonly number[]): number[] {
  const reached: number[] = [];
  for (const start of from) {
    // In a part that has been walked through already.
    if (start <= (reached.at(-1) ?? -1)) continue;
    const slash = text.indexOf("/", start);
    const end = slash === -1 ? text.length : slash;
    for (let at = start; at <= end; at += 1) reached.push(at);
  }
  return reached;
}
