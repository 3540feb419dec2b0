import test from "ava";
import { isLayerdError } from "../../src/core/errors.ts";
import { parseImageConfig } from "../../src/core/image-config.ts";
import { sha256 } from "./pushed-manifests.ts";

const LEAST = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } };

/** Where a config is at fault. */
function faults(config: unknown): string[] {
  try {
    parseImageConfig(Buffer.from(JSON.stringify(config)));
    return [];
  } catch (error) {
    if (!isLayerdError(error, "MANIFEST_INVALID")) throw error;
    return (error.detail as { path: string }[]).map(({ path }) => path);
  }
}

/** Configs as clients write them. The digests are made up. */
const WRITTEN: Readonly<Record<string, object>> = {
  "the least there is": LEAST,
  "an example like that of config.md": {
    created: "2015-10-31T22:22:56.015925234Z",
    author: "Alyssa P. Hacker <alyspdev@example.com>",
    ...LEAST,
    variant: "v8",
    config: {
      User: "alice",
      ExposedPorts: { "8080/tcp": {} },
      Env: ["PATH=/usr/local/sbin:/usr/local/bin", "FOO=oci_is_a"],
      Entrypoint: ["/bin/my-app-binary"],
      Cmd: ["--foreground", "--config", "/etc/my-app.d/default.cfg"],
      Volumes: { "/var/job-result-data": {} },
      WorkingDir: "/home/alice",
      Labels: { "com.example.project.git.url": "https://example.com/project.git" },
      StopSignal: "SIGTERM",
      ArgsEscaped: false,
    },
    rootfs: { type: "layers", diff_ids: [sha256("a"), sha256("b")] },
    history: [
      { created: "2015-10-31T22:22:54.690851953Z", created_by: "/bin/sh -c #(nop) ADD file in /" },
      { created: "2015-10-31T23:22:55.613815829+01:00", created_by: "sh", comment: "c", empty_layer: true },
    ],
  },
  "docker commit, of nothing": {
    architecture: "amd64",
    config: { Hostname: "", Env: null, Cmd: null, Volumes: null, OnBuild: null, Labels: null },
    container_config: { Hostname: "1", Tty: false },
    created: "0001-01-01T00:00:00Z",
    docker_version: "24.0.7",
    history: null,
    os: "linux",
    rootfs: { type: "layers" },
  },
  "a Windows image": {
    ...LEAST,
    os: "windows",
    "os.version": "10.0.17763.1817",
    "os.features": ["win32k"],
    config: { Healthcheck: { Test: ["CMD", "x"], Interval: 30_000_000_000 }, ArgsEscaped: true },
  },
  "a signature of cosign": {
    architecture: "",
    created: "0001-01-01T00:00:00Z",
    history: [{ created: "0001-01-01T00:00:00Z" }],
    os: "",
    rootfs: { type: "layers", diff_ids: [sha256("payload")] },
    config: {},
  },
  "an attestation of BuildKit": {
    architecture: "unknown",
    os: "unknown",
    config: {},
    rootfs: { type: "layers", diff_ids: [sha256("statement")] },
  },
  "a digest of an algorithm that is not registered": {
    ...LEAST,
    rootfs: { type: "layers", diff_ids: ["x+y:zz"] },
  },
};

for (const [what, config] of Object.entries(WRITTEN)) {
  test(`an image config: ${what}`, (t) => t.deepEqual(faults(config), []));
}

const without = (key: keyof typeof LEAST) =>
  Object.fromEntries(Object.entries(LEAST).filter(([k]) => k !== key));

for (const [path, config] of [
  ["$", []],
  ["$", "text"],
  ["$", null],
  ["$.architecture", without("architecture")],
  ["$.os", without("os")],
  ["$.os", { ...LEAST, os: null }],
  ["$.rootfs", without("rootfs")],
  ["$.rootfs", { ...LEAST, rootfs: [] }],
  ["$.rootfs.type", { ...LEAST, rootfs: { diff_ids: [] } }],
  ["$.rootfs.type", { ...LEAST, rootfs: { type: "layers+base", diff_ids: [] } }],
  ["$.rootfs.diff_ids", { ...LEAST, rootfs: { type: "layers", diff_ids: {} } }],
  ["$.rootfs.diff_ids[1]", { ...LEAST, rootfs: { type: "layers", diff_ids: [sha256("a"), "sha256:a"] } }],
  ["$.created", { ...LEAST, created: "yesterday" }],
  ["$.created", { ...LEAST, created: "2024-13-01T00:00:00Z" }],
  ["$.created", { ...LEAST, created: 1_700_000_000 }],
  ["$.author", { ...LEAST, author: 1 }],
  ['$["os.features"][0]', { ...LEAST, "os.features": [1] }],
  ["$.config", { ...LEAST, config: [] }],
  ["$.config.Env", { ...LEAST, config: { Env: { A: "b" } } }],
  ["$.config.Cmd[0]", { ...LEAST, config: { Cmd: [1] } }],
  ["$.config.Entrypoint", { ...LEAST, config: { Entrypoint: "/bin/sh" } }],
  ["$.config.ExposedPorts", { ...LEAST, config: { ExposedPorts: ["80"] } }],
  ["$.config.Volumes", { ...LEAST, config: { Volumes: "/data" } }],
  ['$.config.Labels["a b"]', { ...LEAST, config: { Labels: { "a b": 1 } } }],
  ["$.history", { ...LEAST, history: {} }],
  ["$.history[0].empty_layer", { ...LEAST, history: [{ empty_layer: "yes" }] }],
] as const) {
  test(`no image config: ${JSON.stringify(config)} (${path})`, (t) => t.deepEqual(faults(config), [path]));
}

test("a config of a million values is refused before it is checked", (t) => {
  const bytes = Buffer.from(JSON.stringify({ ...LEAST, history: new Array(200_000).fill({}) }));
  const error = t.throws(() => parseImageConfig(bytes));
  t.true(isLayerdError(error, "REQUEST_TOO_LARGE"));
});
