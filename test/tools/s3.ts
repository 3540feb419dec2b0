import test from "ava";
import { CREDENTIALS, S3Server } from "./s3-server.ts";

/*
 * A server of its own for each test file that asks for one. Started when it is first asked for, gone when the file
 * ends. Tests begin with `requireTool(t, "versitygw")`.
 */

export { S3Server };

let shared: Promise<S3Server> | undefined;

/** The server of this test file; this process has its credentials. */
export async function s3(): Promise<S3Server> {
  Object.assign(process.env, CREDENTIALS);
  shared ??= S3Server.start();
  return await shared;
}

test.after.always("the S3 server of this file is stopped", async () => {
  const server = await shared?.catch(() => undefined);
  await server?.remove();
});
