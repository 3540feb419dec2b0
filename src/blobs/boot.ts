import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/**
 * Names this run of the machine. What a killed process has written is still there in the same run, synced or
 * not. Where the system does not tell, it is a name that no later process will have.
 */
export async function readBootId(): Promise<string> {
  const id = await readFile(BOOT_ID, "utf8").catch(() => "");
  return id.trim() || randomUUID();
}
