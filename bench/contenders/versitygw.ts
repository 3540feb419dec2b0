import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "../toolkit/bench.ts";
import { freePort, type Server, startServer } from "../toolkit/server.ts";

/** An S3 server with an empty bucket. */
export interface S3Store extends Server {
  readonly bucket: string;
  /** Where the bucket's objects are. */
  readonly directory: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

const BUCKET = "library";
const ACCESS_KEY = "only-for-measuring";
const SECRET_KEY = "only-for-measuring";

/** versitygw over a directory on the disk. */
export async function startVersitygw(bench: Bench, command: string): Promise<S3Store> {
  const port = await freePort();
  const root = join(bench.disk, "s3");
  const directory = join(root, BUCKET);
  await mkdir(directory, { recursive: true });
  const args = ["--port", `127.0.0.1:${port}`, "--health", "/health", "--quiet", "posix", root];
  bench.log.configuration("versitygw", `versitygw ${args.join(" ")}`, [
    [root, "DIR"],
    [String(port), "PORT"],
  ]);
  const server = await startServer({
    name: "versitygw",
    command,
    args,
    port,
    ready: "/health",
    directory: bench.disk,
    environment: { ROOT_ACCESS_KEY_ID: ACCESS_KEY, ROOT_SECRET_ACCESS_KEY: SECRET_KEY },
    signal: bench.signal,
  });
  return { ...server, bucket: BUCKET, directory, accessKey: ACCESS_KEY, secretKey: SECRET_KEY };
}
