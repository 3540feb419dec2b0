import { type Call, stringsOf } from "./trace.ts";

/** Some of the calls that a server has made. */
export type Moments = (calls: readonly Call[]) => Call[];

/** Calls behind which others see what no sync has covered yet. */
export const UNSETTLED: readonly Moments[] = [
  // A blob has come under its digest, and its upload was one that is gone on with after a restart.
  (calls) => {
    const records = new Set(renames(calls).map((call) => pathsOf(call)[0]));
    return published(calls).filter((call) => records.has(`${pathsOf(call)[0]}.json.new`));
  },
  // Any blob has.
  published,
  // A line has been written to a journal.
  (calls) => calls.filter((call) => call.name === "pwrite64" && stringsOf(call)[0]?.indexOf('{"seq":') === 0),
];

function published(calls: readonly Call[]): Call[] {
  return renames(calls).filter((call) => {
    const [from = "", to = ""] = pathsOf(call);
    return from.includes("/uploads/") && to.includes("/blobs/");
  });
}

function renames(calls: readonly Call[]): Call[] {
  return calls.filter(({ name }) => name === "rename");
}

function pathsOf(call: Call): string[] {
  return stringsOf(call).map((path) => path.toString());
}
