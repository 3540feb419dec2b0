import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { StoreOptions } from "../../src/config.ts";
import { digestOf } from "../../src/core/digest.ts";
import { pathOf, spoil } from "../blobs/samples.ts";
import { startServer, type TestServer, temporaryDirectory } from "../tools/server.ts";

const TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"}}';
const idOf = (text: string) => digestOf(Buffer.from(text));

function manifest(note: string): string {
  const describe = (mediaType: string, content: string) => ({
    ...{ mediaType, digest: idOf(content), size: content.length },
  });
  return JSON.stringify({
    ...{ schemaVersion: 2, mediaType: TYPE, annotations: { note } },
    config: describe("application/vnd.oci.image.config.v1+json", CONFIG),
    layers: [describe("application/vnd.oci.image.layer.v1.tar", "layer")],
  });
}

interface Audited {
  readonly server: TestServer;
  /** Sends a request in somebody's name. */
  as(who: string, method: string, path: string, body?: string): Promise<Response>;
  /** Stops the server, and resolves with what the audit log says. */
  lines(): Promise<Record<string, unknown>[]>;
}

async function startAudited(t: ExecutionContext, config: StoreOptions = {}): Promise<Audited> {
  const auditLog = join(await temporaryDirectory(t), "audit.jsonl");
  const identify = (ctx: { get(name: string): string }) => ctx.get("X-User") || undefined;
  const server = await startServer(t, { auditLog, ...config }, { identify });
  const as: Audited["as"] = async (who, method, path, body) => {
    const headers = { "X-User": who, "Content-Type": TYPE };
    const answer = await fetch(`${server.url}${path}`, { method, headers, ...(body && { body }) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const lines = async () => {
    await server.stop();
    const text = await readFile(auditLog, "utf8");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  };
  return { server, as, lines };
}

async function pushBlobs({ as }: Audited, who: string): Promise<void> {
  for (const body of [CONFIG, "layer"]) {
    await as(who, "POST", `/v2/team/app/blobs/uploads/?digest=${idOf(body)}`, body);
  }
}

test("who pushes, moves a tag, mounts and deletes is written down, in order", async (t) => {
  const audited = await startAudited(t);
  const { as } = audited;
  const [first, second] = [manifest("first"), manifest("second")];
  await pushBlobs(audited, "ann");
  const pushed = await as("ann", "PUT", "/v2/team/app/manifests/v1", first);
  await as("bob", "PUT", "/v2/team/app/manifests/v1", second);
  await as("bob", "POST", `/v2/other/blobs/uploads/?mount=${idOf("layer")}&from=team/app`);
  await as("eve", "DELETE", "/v2/team/app/manifests/v1");
  await as("eve", "DELETE", `/v2/team/app/manifests/${idOf(first)}`);
  const lines = await audited.lines();
  t.deepEqual(
    lines.map(({ at, request, ...rest }) => rest),
    [
      { who: "ann", repository: "team/app", action: "link-blob", digest: idOf(CONFIG), size: CONFIG.length },
      { who: "ann", repository: "team/app", action: "link-blob", digest: idOf("layer"), size: 5 },
      { who: "ann", repository: "team/app", action: "push-manifest", digest: idOf(first), mediaType: TYPE },
      { who: "ann", repository: "team/app", action: "tag", tag: "v1", from: null, to: idOf(first) },
      { who: "bob", repository: "team/app", action: "push-manifest", digest: idOf(second), mediaType: TYPE },
      { who: "bob", repository: "team/app", action: "tag", tag: "v1", from: idOf(first), to: idOf(second) },
      {
        who: "bob",
        repository: "other",
        action: "mount-blob",
        digest: idOf("layer"),
        size: 5,
        from: "team/app",
      },
      { who: "eve", repository: "team/app", action: "untag", tag: "v1", from: idOf(second), to: null },
      { who: "eve", repository: "team/app", action: "delete-manifest", digest: idOf(first), tags: [] },
    ],
  );
  t.true(lines.every(({ at }) => !Number.isNaN(Date.parse(String(at)))));
  t.is(lines[2]?.request, pushed.headers.get("x-request-id"));
});

test("what garbage collection removes is written down as its own doing", async (t) => {
  const audited = await startAudited(t, { gc: false, gcGrace: 1, trashTtl: 1 });
  await pushBlobs(audited, "ann");
  await audited.as("ann", "PUT", "/v2/team/app/manifests/v1", manifest("first"));
  await audited.as("ann", "DELETE", `/v2/team/app/manifests/${idOf(manifest("first"))}`);
  const collect = async () => {
    // Longer than promises hold, and than the trash keeps.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return await audited.server.layerd.registry.collector.collect({ nothingPromised: true });
  };
  const first = await collect();
  t.like(first, { links: 2, blobs: 3 });
  t.is(first.purged + (await collect()).purged, 3);
  const lines = (await audited.lines()).filter(({ who }) => who === "gc");
  const actions = lines.map(({ action }) => action).sort();
  const three = (action: string) => [action, action, action];
  t.deepEqual(actions, [...three("discard-blob"), ...three("purge-blob"), "unlink-blob", "unlink-blob"]);
  t.true(lines.every((line) => !("request" in line)));
});

test("what a scrub takes out of service is written down, and what leaves quarantine", async (t) => {
  const audited = await startAudited(t, { gc: false, trashTtl: 1, scrubRate: 0 });
  const { data, layerd } = audited.server;
  await pushBlobs(audited, "ann");
  const path = pathOf(data, idOf("layer"));
  await spoil(path, () => writeFile(path, "other"));
  await layerd.registry.scrubber.scrub();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await layerd.registry.collector.collect();
  const lines = (await audited.lines()).slice(-2).map(({ at: _, ...rest }) => rest);
  const file = join(data, "quarantine", ...idOf("layer").split(":"));
  t.deepEqual(lines, [
    { who: "scrub", action: "quarantine-blob", digest: idOf("layer"), size: 5, file },
    { who: "gc", action: "purge-blob", from: "quarantine", digest: idOf("layer"), size: 5 },
  ]);
});

test("what was refused, or changed nothing, is not written down", async (t) => {
  const audited = await startAudited(t);
  await audited.as("ann", "POST", "/layer", "hello");
  await audited.as("ann", "POST", "/layer", "hello");
  await t.throwsAsync(audited.as("ann", "PUT", "/v2/team/app/manifests/v1", manifest("x")), {
    message: /MANIFEST_BLOB_UNKNOWN/,
  });
  t.is((await audited.lines()).length, 1);
});

test("a disk that is full of audit logs fails no push", async (t) => {
  const audited = await startAudited(t, { auditLog: "/dev/full" }).catch(() => undefined);
  if (audited === undefined) {
    t.pass("this system has no /dev/full");
    return;
  }
  for (let n = 0; n < 20; n += 1) await audited.as("ann", "POST", "/layer", `layer ${n}`);
  await audited.server.stop();
  t.regex(await audited.server.layerd.metrics(), /^layerd_audit_lost_lines_total 20$/m);
});
