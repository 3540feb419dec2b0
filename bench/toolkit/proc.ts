import { readdirSync, readFileSync } from "node:fs";

/*
 * What the kernel knows about a process (proc_pid_status(5), proc_pid_stat(5)). Linux only.
 */

const MB = 1e6;
// USER_HZ, which is 100 on every Linux that Node runs on.
const TICKS_PER_SECOND = 100;

/** Resident memory now, in MB (10^6 bytes). */
export function residentMemory(pid: number): number {
  return statusField(pid, "VmRSS");
}

/** The most that was ever resident since the process started, in MB (10^6 bytes). */
export function peakMemory(pid: number): number {
  return statusField(pid, "VmHWM");
}

/** Processor seconds, user and system, used so far by a process and its children that are alive. */
export function processorSeconds(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + ownProcessorSeconds(each), 0);
}

/** The same, with children that have ended. */
export function familySeconds(pid: number): number {
  const fields = statFields(pid);
  return processorSeconds(pid) + (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

function statusField(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/status has no ${field}`);
  return (Number(kibibytes) * 1024) / MB;
}

function ownProcessorSeconds(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function childrenOf(pid: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((each) => parentOf(each) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(statFields(pid)[1]);
  } catch {
    return undefined; // It ended meanwhile.
  }
}

/** The fields from the state on; the name before it may hold spaces and brackets. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
