import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  ALL_SETTINGS,
  ConfigError,
  configAsJson,
  describeConfig,
  loadConfig,
  resolveStoreConfig,
  type ServerConfig,
  settingsTable,
  storeConfigOf,
} from "../src/config.ts";

function refuses(t: ExecutionContext, work: () => unknown, sentence: string) {
  t.is(t.throws(work, { instanceOf: ConfigError })?.message, sentence);
}

async function configFile(t: ExecutionContext, content: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "layerd-config-"));
  t.teardown(() => rm(directory, { recursive: true }));
  const path = join(directory, "layerd.json");
  await writeFile(path, content);
  return path;
}

test("nothing set gives the defaults", (t) => {
  const { config, origins } = loadConfig({}, {});
  t.like(config, { port: 4000, host: "127.0.0.1", data: "data", memory: false, durability: "full" });
  t.like(config, { maxLayerSize: 256 * 1024 ** 3, uploadTtl: 86_400_000, allowedHosts: [] });
  t.true(Object.values(origins).every(({ kind }) => kind === "default"));
});

test("a flag wins over the environment, the environment over the file, the file over the default", async (t) => {
  const config = await configFile(t, '{"port": 1, "host": "10.0.0.1", "data": "filed"}');
  const resolved = loadConfig({ config, port: "3" }, { LAYERD_PORT: "2", LAYERD_HOST: "10.0.0.2" });
  t.like(resolved.config, { port: 3, host: "10.0.0.2", data: "filed", repository: "library" });
  t.deepEqual(resolved.origins.port, { kind: "flag", name: "--port" });
  t.deepEqual(resolved.origins.host, { kind: "environment", name: "LAYERD_HOST" });
  t.deepEqual(resolved.origins.data, { kind: "file", name: config });
  t.deepEqual(resolved.origins.repository, { kind: "default", name: "" });
});

test("LAYERD_CONFIG names the file, --config another one", async (t) => {
  const one = await configFile(t, '{"port": 1}');
  const two = await configFile(t, '{"port": 2}');
  t.is(loadConfig({}, { LAYERD_CONFIG: one }).config.port, 1);
  t.is(loadConfig({ config: two }, { LAYERD_CONFIG: one }).config.port, 2);
});

test("the result cannot be changed", (t) => {
  const { config } = loadConfig({ allowedHosts: "a" }, {});
  t.true(Object.isFrozen(config));
  t.true(Object.isFrozen(config.allowedHosts));
  t.true(Object.isFrozen(resolveStoreConfig({})));
});

const written: readonly (readonly [string, keyof ServerConfig, unknown])[] = [
  ["1048576", "minFree", 1_048_576],
  ["0", "minFree", 0],
  ["512MiB", "minFree", 512 * 1024 ** 2],
  ["1GB", "minFree", 1e9],
  ["1.5 GiB", "minFree", 1.5 * 1024 ** 3],
  ["20kb", "minFree", 20_000],
  ["2TiB", "maxLayerSize", 2 * 1024 ** 4],
  ["500ms", "idleTimeout", 500],
  ["30s", "idleTimeout", 30_000],
  ["10m", "idleTimeout", 600_000],
  ["24h", "idleTimeout", 86_400_000],
  ["2d", "idleTimeout", 2 * 86_400_000],
  ["0", "port", 0],
  ["true", "memory", true],
  ["false", "memory", false],
  ["a.test, b.test,", "allowedHosts", ["a.test", "b.test"]],
  ["https://a.test,http://localhost:3000", "allowedOrigins", ["https://a.test", "http://localhost:3000"]],
  ["os", "durability", "os"],
  ["team/layers", "repository", "team/layers"],
  ["::1", "host", "::1"],
];

for (const [text, key, value] of written) {
  test(`${key} can be written as ${JSON.stringify(text)}`, (t) => {
    t.deepEqual(loadConfig({ [key]: text }, {}).config[key], value);
  });
}

const wrong: readonly (readonly [keyof ServerConfig, string, string])[] = [
  ["port", "4000x", "--port: '4000x' is not a port number from 0 to 65535"],
  ["port", "65536", "--port: '65536' is not a port number from 0 to 65535"],
  ["port", "", "--port: '' is not a port number from 0 to 65535"],
  ["minFree", "12 apples", "--min-free: '12 apples' is not a size such as 1048576, 512MiB or 1GB"],
  ["minFree", "-1", "--min-free: '-1' is not a size such as 1048576, 512MiB or 1GB"],
  ["minFree", "9999999TiB", "--min-free: '9999999TiB' is not a size such as 1048576, 512MiB or 1GB"],
  [
    "idleTimeout",
    "60",
    "--idle-timeout: '60' is not a duration of at most 24 days, such as 500ms, 30s, 10m or 24h",
  ],
  [
    "uploadTtl",
    "25d",
    "--upload-ttl: '25d' is not a duration of at most 24 days, such as 500ms, 30s, 10m or 24h",
  ],
  ["memory", "maybe", "--memory: 'maybe' is not true or false"],
  ["durability", "none", "--durability: 'none' is not one of full, os"],
  [
    "repository",
    "Team",
    "--repository: 'Team' is not a repository name: lower-case words joined by . _ - or /",
  ],
  ["host", "http://a", "--host: 'http://a' is not an address or a name such as 127.0.0.1, ::1 or localhost"],
  [
    "allowedOrigins",
    "https://a.test,https://b.test/",
    "--allowed-origin: 'https://b.test/' is not an origin such as https://app.example.com, without a path",
  ],
];

for (const [key, text, sentence] of wrong) {
  test(`${key} refuses ${JSON.stringify(text)} in one sentence`, (t) => {
    refuses(t, () => loadConfig({ [key]: text }, {}), sentence);
  });
}

test("a wrong value is blamed on the variable or the file that has it", async (t) => {
  refuses(
    t,
    () => loadConfig({}, { LAYERD_PORT: "x" }),
    "LAYERD_PORT: 'x' is not a port number from 0 to 65535",
  );
  const config = await configFile(t, '{"port": "x"}');
  refuses(t, () => loadConfig({ config }, {}), `${config}: port: 'x' is not a port number from 0 to 65535`);
});

test("a file has numbers, booleans and lists as JSON has them, or as text", async (t) => {
  const config = await configFile(
    t,
    '{"port": 80, "minFree": 1024, "maxLayerSize": "1GiB", "memory": true, "allowedHosts": ["a", "b"]}',
  );
  const resolved = loadConfig({ config }, {}).config;
  t.like(resolved, { port: 80, minFree: 1024, maxLayerSize: 1024 ** 3, memory: true });
  t.deepEqual(resolved.allowedHosts, ["a", "b"]);
});

test("a duration in a file needs its unit", async (t) => {
  const config = await configFile(t, '{"idleTimeout": 60}');
  t.throws(() => loadConfig({ config }, {}), { message: /: idleTimeout: 60 is not a duration/ });
});

test("an unknown variable is refused with the nearest known one", (t) => {
  refuses(
    t,
    () => loadConfig({}, { LAYERD_PROT: "4000" }),
    "there is no setting for the variable LAYERD_PROT; did you mean LAYERD_PORT?",
  );
});

test("an unknown key of the file is refused with the nearest known one", async (t) => {
  const config = await configFile(t, '{"maxlayersize": 1}');
  refuses(
    t,
    () => loadConfig({ config }, {}),
    `${config}: there is no setting maxlayersize; did you mean maxLayerSize?`,
  );
});

test("an empty variable counts as not set", (t) => {
  t.is(loadConfig({}, { LAYERD_PORT: "", LAYERD_CONFIG: "" }).config.port, 4000);
});

test("what Kubernetes says of a service called layerd is no setting", (t) => {
  const { config } = loadConfig(
    {},
    {
      LAYERD_SERVICE_HOST: "10.0.0.9",
      LAYERD_SERVICE_PORT: "4000",
      LAYERD_SERVICE_PORT_HTTP: "4000",
      LAYERD_PORT: "tcp://10.0.0.9:4000",
      LAYERD_PORT_4000_TCP: "tcp://10.0.0.9:4000",
      LAYERD_PORT_4000_TCP_ADDR: "10.0.0.9",
    },
  );
  t.is(config.port, 4000);
});

test("a file that is not there, no JSON or no object is named", async (t) => {
  t.throws(() => loadConfig({ config: "/nowhere/layerd.json" }, {}), {
    instanceOf: ConfigError,
    message: /^cannot read the config file \/nowhere\/layerd\.json: /,
  });
  const broken = await configFile(t, "port: 80");
  t.throws(() => loadConfig({ config: broken }, {}), { message: /layerd\.json is not JSON: / });
  const list = await configFile(t, "[]");
  t.throws(() => loadConfig({ config: list }, {}), { message: /is not a JSON object of settings$/ });
});

test("a store's configuration is completed with defaults", (t) => {
  const config = resolveStoreConfig({ memory: true, uploadTtl: 50 });
  t.like(config, { memory: true, uploadTtl: 50, data: "data", repository: "library" });
  t.false("port" in config);
});

test("a store's configuration takes sizes and durations as a file has them", (t) => {
  const config = resolveStoreConfig({ maxLayerSize: "10GiB", uploadTtl: "90m", idleTimeout: 5000 });
  t.like(config, { maxLayerSize: 10 * 1024 ** 3, uploadTtl: 5_400_000, idleTimeout: 5000 });
});

test("a store's configuration treats undefined as not set", (t) => {
  t.is(resolveStoreConfig({ data: undefined }).data, "data");
});

test("a store's configuration refuses unknown keys and wrong values", (t) => {
  const given = (config: object) => () => resolveStoreConfig(config);
  refuses(t, given({ dta: "x" }), "there is no setting dta; did you mean data?");
  refuses(t, given({ port: 1 }), "port is a setting of the server, which is the host application here");
  refuses(t, given({ minFree: 10n }), "minFree: 10n is not a size such as 1048576, 512MiB or 1GB");
  refuses(
    t,
    given({ allowedHosts: ["a", 1] }),
    "allowedHosts: 1 is not a host name such as layers.example.com, without http:// and path",
  );
});

test("a server's configuration has its store's in it", (t) => {
  const { config } = loadConfig({ data: "/srv" }, {});
  t.deepEqual(storeConfigOf(config), resolveStoreConfig({ data: "/srv" }));
});

test("what is in force is shown as one would write it, with where it came from", (t) => {
  const lines = describeConfig(loadConfig({ minFree: "1073741824" }, { LAYERD_ALLOWED_HOSTS: "a,b" })).split(
    "\n",
  );
  const words = lines.map((line) => line.split(/ {2,}/));
  t.deepEqual(
    words.find(([key]) => key === "minFree"),
    ["minFree", "1GiB", "--min-free"],
  );
  t.deepEqual(
    words.find(([key]) => key === "allowedHosts"),
    ["allowedHosts", "a,b", "LAYERD_ALLOWED_HOSTS"],
  );
  t.deepEqual(
    words.find(([key]) => key === "uploadTtl"),
    ["uploadTtl", "24h", "default"],
  );
});

test("what is shown reads back as the same value", (t) => {
  for (const { key, show, read, default: value } of ALL_SETTINGS) t.deepEqual(read(show(value)), value, key);
});

test("as JSON, values are plain numbers", (t) => {
  const shown = configAsJson(loadConfig({ idleTimeout: "1s" }, {})) as Record<string, unknown>;
  t.deepEqual(shown.idleTimeout, { value: 1000, from: { kind: "flag", name: "--idle-timeout" } });
});

test("the table has a line for each setting", (t) => {
  const rows = settingsTable()
    .trimEnd()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  t.is(rows.length, ALL_SETTINGS.length + 2);
  t.true(rows.every((cells) => cells.length === 7));
  t.deepEqual(rows[2]?.slice(1, -1), [
    "`port`",
    "`--port <number>`",
    "`LAYERD_PORT`",
    "`4000`",
    "Port to listen on; 0 takes any free one.",
  ]);
});
