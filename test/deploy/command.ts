import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { cleanEnvironment } from "../tools/process.ts";

/** The command as layerd calls it when it is asked how it is used: `layerd migrate up`. */
export async function usageOf([, ...words]: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["src/cli/main.ts", ...words, "--help"], {
    env: cleanEnvironment(),
  });
  return /^Usage: ((?:[a-z]+ ?)+)/.exec(stdout)?.[1]?.trim() ?? "";
}
