import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { testS3 } from "./s3-samples.ts";
import { MiB } from "./samples.ts";

testS3("the memory that an upload and a download take does not grow with their size", async (t, place) => {
  const { catalog: _, ...options } = place.options;
  const most = async (size: number, resumable: boolean) => {
    const args = [JSON.stringify(options), JSON.stringify(place.connection), String(size), String(resumable)];
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(import.meta.dirname, "s3-uploader.ts"),
      ...args,
    ]);
    return Number(stdout);
  };
  for (const resumable of [false, true]) {
    const [small, large] = [await most(32 * MiB, resumable), await most(400 * MiB, resumable)];
    t.true(large - small < 100 * MiB, `${small} bytes for a small one, ${large} for a large one`);
  }
});
