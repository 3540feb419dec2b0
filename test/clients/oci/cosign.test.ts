import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { json } from "../../tools/json.ts";
import { makeImage, writeLayout } from "./image.ts";
import { openWorkplace } from "./workplace.ts";

/*
 * Keys in files, and nothing that is on the network: no transparency log, no signing service. cosign keeps a
 * signature as a referrer of the image; before version 3 it kept it under a tag made from the image's digest.
 */

const PLACES = { "a referrer": "true", "a digest tag": "false" } as const;
const PLAIN_HTTP = "--allow-http-registry";
const OFFLINE = ["--tlog-upload=false", "--use-signing-config=false", PLAIN_HTTP];
const NO_LOG = ["--insecure-ignore-tlog", PLAIN_HTTP];

/** A workplace with a pair of keys, and an image that is in the registry, named by its digest. */
async function withKeys(t: ExecutionContext) {
  const place = await openWorkplace(t, ["cosign", "crane"]);
  if (place === undefined) return undefined;
  const { run, attempt, registry, directory } = place;
  const digest = await writeLayout(join(directory, "layout"), "v1", [makeImage()]);
  await run("crane", ["--insecure", "push", "layout", `${registry}/app:v1`]);
  await run("cosign", ["generate-key-pair"]);
  const image = `${registry}/app@${digest}`;
  const sign = async (bundle: string) => {
    const options = ["--yes", "--key", "cosign.key", `--new-bundle-format=${bundle}`];
    await run("cosign", ["sign", ...options, ...OFFLINE, image]);
  };
  const verify = (bundle: string, key = "cosign.pub") => {
    const options = ["--key", key, `--new-bundle-format=${bundle}`];
    return attempt("cosign", ["verify", ...options, ...NO_LOG, image]);
  };
  return { ...place, digest, image, sign, verify };
}

for (const [where, bundle] of Object.entries(PLACES)) {
  test(`cosign verifies a signature that it stored as ${where}`, async (t) => {
    const place = await withKeys(t);
    if (place === undefined) return;
    const { url, sign, verify, digest } = place;
    t.not((await verify(bundle)).code, 0);
    await sign(bundle);
    const { code, stdout, stderr } = await verify(bundle);
    t.is(code, 0, stderr);
    t.is(JSON.parse(stdout.toString())[0].critical.image["docker-manifest-digest"], digest);
    const { manifests } = await json(await fetch(`${url}/v2/app/referrers/${digest}`));
    const { tags } = await json(await fetch(`${url}/v2/app/tags/list`));
    const signatureTag = `${digest.replace(":", "-")}.sig`;
    t.deepEqual([manifests.length, tags], bundle === "true" ? [1, ["v1"]] : [0, [signatureTag, "v1"]]);
  });
}

test("cosign refuses a signature by another key", async (t) => {
  const place = await withKeys(t);
  if (place === undefined) return;
  await place.sign("true");
  await place.run("cosign", ["generate-key-pair", "--output-key-prefix", "other"]);
  const { code, stderr } = await place.verify("true", "other.pub");
  t.not(code, 0);
  t.regex(stderr, /signature/);
});

test("cosign attests something about an image, and reads it back", async (t) => {
  const place = await withKeys(t);
  if (place === undefined) return;
  const { run, image } = place;
  const predicate = Buffer.from('{"tests":"passed"}');
  const statementOf = ["--type", "custom", "--key"];
  const attest = ["attest", "--yes", "--predicate", "-", ...OFFLINE, ...statementOf, "cosign.key", image];
  await run("cosign", attest, predicate);
  const verify = ["verify-attestation", ...NO_LOG, ...statementOf, "cosign.pub", image];
  const told = await run("cosign", verify);
  const statement = JSON.parse(Buffer.from(JSON.parse(told).payload, "base64").toString());
  t.like(statement, { subject: [{ digest: { sha256: place.digest.slice("sha256:".length) } }] });
  t.true(JSON.stringify(statement.predicate).includes("passed"));
});
