import { availableParallelism, cpus, release, totalmem, type } from "node:os";

/** What the figures are measured on, a phrase a fact. */
export function describeMachine(): string[] {
  return [
    `${availableParallelism()} processors: ${cpus()[0]?.model ?? "unknown"}`,
    `${Math.round(totalmem() / 1e9)} GB of memory`,
    `${type()} ${release()}`,
  ];
}
