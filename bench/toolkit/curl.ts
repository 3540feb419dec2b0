import type { UploadRequest } from "../contenders/store.ts";
import type { Bench } from "./bench.ts";
import { output } from "./command.ts";
import type { ContentFile } from "./content.ts";

/** Downloads by one client, away from its memory at once. @throws unless exactly `size` bytes came with 200. */
export async function download(bench: Bench, url: string, size: number): Promise<void> {
  const format = "%{http_code} %{size_download}";
  const said = await curl(bench, ["--output", "/dev/null", "--write-out", format, url]);
  if (said !== `200 ${size}`) throw new Error(`GET ${url}: expected 200 and ${size} bytes, got ${said}`);
}

/** Sends a file by one client. @returns the body of the answer. @throws unless it is 201. */
export async function upload(bench: Bench, request: UploadRequest, content: ContentFile): Promise<string> {
  const { method, url } = request;
  const args = ["--request", method, "--upload-file", content.path, "--write-out", "\n%{http_code}", url];
  const said = await curl(bench, args);
  if (!said.endsWith("\n201")) throw new Error(`${method} ${url}: ${said.slice(-500)}`);
  return said.slice(0, -"\n201".length);
}

function curl(bench: Bench, args: readonly string[]): Promise<string> {
  const { command } = bench.tools.curl ?? { command: "curl" };
  // --disable: without the caller's ~/.curlrc.
  return output(command, ["--disable", "--silent", "--show-error", ...args], bench.signal);
}
