import { execFile } from "node:child_process";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const OUTPUT_MAX = 16 * 1024 * 1024;

/** Runs a program to its end. Rejects when it cannot be started, or is killed. */
export function run(command: string, args: readonly string[], signal?: AbortSignal): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { signal, maxBuffer: OUTPUT_MAX }, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ code: error.code, stdout, stderr });
      else reject(error);
    });
  });
}

/** The standard output of a program that must succeed. */
export async function output(
  command: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, signal);
  if (code === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")}: exit ${code}: ${(stderr || stdout).trim().slice(-500)}`);
}
