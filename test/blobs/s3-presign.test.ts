import { digestOf } from "../../src/core/digest.ts";
import { s3 } from "../tools/s3.ts";
import { testS3 } from "./s3-samples.ts";
import { bytesOf, MiB, store } from "./samples.ts";

testS3("whoever has a presigned URL gets the blob from S3 itself, and ranges of it", async (t, { open }) => {
  const publicEndpoint = `http://localhost:${(await s3()).port}`;
  const blobs = await open({ publicEndpoint });
  for (const size of [0, 100, 9 * MiB]) {
    const bytes = bytesOf(1, size);
    const { digest } = await store(blobs, bytes);
    const contentDisposition = 'attachment; filename="layer.tar"';
    const options = { expiresIn: 60, contentType: "application/x-tar", contentDisposition };
    const url = (await blobs.presign(digest, options)) ?? t.fail();
    t.true(url.startsWith(`${publicEndpoint}/`), url);
    const answer = await fetch(url);
    t.is(answer.status, 200);
    t.is(answer.headers.get("content-type"), "application/x-tar");
    t.is(answer.headers.get("content-disposition"), contentDisposition);
    t.true(Buffer.from(await answer.arrayBuffer()).equals(bytes));
    if (size === 0) continue;
    const part = await fetch(url, { headers: { Range: "bytes=10-19" } });
    t.is(part.status, 206);
    t.true(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(10, 20)));
  }
});

testS3("a presigned URL is good for its blob alone, and for a while", async (t, { open }) => {
  const blobs = await open();
  t.is(await blobs.presign(digestOf(bytesOf(1, 100)), { expiresIn: 60 }), undefined);
  const { digest } = await store(blobs, bytesOf(1, 100));
  await store(blobs, bytesOf(2, 100));
  const url = new URL((await blobs.presign(digest, { expiresIn: 60 })) ?? t.fail());
  t.is(url.searchParams.get("X-Amz-Expires"), "60");
  url.searchParams.set("X-Amz-Expires", "600");
  t.is((await fetch(url)).status, 403);
});
