import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

/** What a command of layerd's took. */
export interface Run {
  readonly seconds: number;
  /** User and system. */
  readonly processorSeconds: number;
  /** The most that was ever resident, in MB (10^6 bytes). */
  readonly memory: number;
  /** The last line that it wrote. */
  readonly result: string;
}

// Loaded before the command: what a process has used, it knows best itself when it ends.
const AT_THE_END = `data:text/javascript,process.on("exit",()=>{
  const{userCPUTime,systemCPUTime,maxRSS}=process.resourceUsage();
  process.stderr.write(JSON.stringify([(userCPUTime+systemCPUTime)/1e6,maxRSS*1024/1e6])+"\\n")})`;

/** Runs `layerd` with `--json`. @throws what it says when it fails */
export async function runLayerd(args: readonly string[]): Promise<Run> {
  const started = performance.now();
  const command = ["--import", AT_THE_END, "src/cli/main.ts", ...args, "--json"];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  const [out, said] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await exited;
  if (code !== 0) throw new Error(`layerd ${args[0]}: ${said}`);
  const [processorSeconds, memory] = JSON.parse(said.trim().split("\n").at(-1) ?? "");
  const seconds = (performance.now() - started) / 1000;
  return { seconds, processorSeconds, memory, result: out.trim().split("\n").at(-1) ?? "" };
}
