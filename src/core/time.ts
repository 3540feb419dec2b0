/** A time in ISO 8601, as people read it: `2026-03-01 12:30 UTC`. */
export function formatTime(time: string): string {
  return `${time.slice(0, 16).replace("T", " ")} UTC`;
}
