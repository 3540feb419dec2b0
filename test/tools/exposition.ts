/** Metrics by their names and labels, as they are written: `name{label="value"}`. */
export type Samples = ReadonlyMap<string, number>;

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"`;
const SAMPLE = new RegExp(`^((${NAME})(?:\\{${LABEL}(?:,${LABEL})*\\})?) (\\S+)$`);
const COMMENT = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`);
const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];

/**
 * Reads the text format of Prometheus (exposition format 0.0.4), strictly: a metric's lines stand together, HELP and
 * TYPE before its samples, and none is there twice. Throws where it is something else.
 */
export function readExposition(text: string): Samples {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const samples = new Map<string, number>();
  const families = new Map<string, string>();
  let family = "";
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, keyword, subject = "", rest = ""] = COMMENT.exec(line) ?? [];
    if (keyword === "HELP") {
      if (families.has(subject)) throw new Error(`${subject} is there twice`);
      families.set(subject, "");
      family = subject;
    } else if (keyword === "TYPE") {
      if (subject !== family || families.get(family) !== "" || !TYPES.includes(rest)) throw new Error(line);
      families.set(family, rest);
    } else addSample(samples, line, family, families.get(family));
  }
  return samples;
}

function addSample(
  samples: Map<string, number>,
  line: string,
  family: string,
  type: string | undefined,
): void {
  const [, series = "", name = "", written = ""] = SAMPLE.exec(line) ?? [];
  const value = written === "+Inf" ? Number.POSITIVE_INFINITY : Number(written);
  const suffixes =
    type === "histogram" ? ["_bucket", "_sum", "_count"] : type === "summary" ? ["", "_sum", "_count"] : [""];
  if (!suffixes.some((suffix) => name === family + suffix))
    throw new Error(`not a sample of ${family}: ${line}`);
  if (Number.isNaN(value) && written !== "NaN") throw new Error(`no number: ${line}`);
  if (samples.has(series)) throw new Error(`there twice: ${line}`);
  if (type === "counter" && !/_total$/.test(name))
    throw new Error(`a counter's name ends in _total: ${line}`);
  samples.set(series, value);
}
