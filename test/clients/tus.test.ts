import { createHash, randomBytes } from "node:crypto";
import test from "ava";
import { Upload } from "tus-js-client";
import { startServer } from "../tools/server.ts";

/* tus-js-client speaks the IETF draft; these are its own requests, not ours. */

const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

// Its types do not know the option yet.
const draft: object = { protocol: "ietf-draft-05" };

interface Outcome {
  readonly uploadUrl: string;
  readonly sent: number;
}

function upload(url: string, bytes: Buffer, options: object = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    const client = new Upload(bytes, {
      endpoint: `${url}/layer`,
      ...draft,
      retryDelays: null,
      onError: reject,
      onChunkComplete: (size) => {
        sent += size;
      },
      onSuccess: () => resolve({ uploadUrl: client.url ?? "", sent }),
      ...options,
    });
    client.start();
  });
}

test("tus-js-client uploads in chunks", async (t) => {
  const { url } = await startServer(t);
  const bytes = randomBytes(2_500_000);
  const { uploadUrl } = await upload(url, bytes, { chunkSize: 1_000_000 });
  const head = await fetch(uploadUrl, { method: "HEAD" });
  t.is(head.headers.get("upload-complete"), "?1");
  const got = await fetch(`${url}${head.headers.get("content-location")}`);
  t.is(digestOf(Buffer.from(await got.arrayBuffer())), digestOf(bytes));
});

test("tus-js-client uploads everything with the request that creates the upload", async (t) => {
  const { url } = await startServer(t);
  const bytes = randomBytes(700_000);
  await upload(url, bytes, { uploadDataDuringCreation: true });
  t.is((await fetch(`${url}/layer/${digestOf(bytes)}`)).status, 200);
});

test("tus-js-client goes on where it was aborted", async (t) => {
  const { url } = await startServer(t);
  const bytes = randomBytes(3_000_000);
  const uploadUrl = await new Promise<string>((resolve, reject) => {
    const client = new Upload(bytes, {
      endpoint: `${url}/layer`,
      ...draft,
      chunkSize: 1_000_000,
      retryDelays: null,
      onError: reject,
      onChunkComplete: async () => {
        await client.abort();
        resolve(client.url ?? "");
      },
    });
    client.start();
  });
  const { sent } = await upload(url, bytes, { uploadUrl, chunkSize: 500_000 });
  t.is(sent, 2_000_000);
  t.is((await fetch(`${url}/layer/${digestOf(bytes)}`)).status, 200);
});
