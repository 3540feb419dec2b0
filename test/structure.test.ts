import { readdir, readFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import test from "ava";

/*
 * What the code's layout promises, held against the imports: a rule that nobody checks is a rumour.
 */

const ROOT = resolve(import.meta.dirname, "..");
const SRC = join(ROOT, "src");
const MAX_LINES = 300;

/** The parts of the program, by the first pattern that fits a file's path below `src`. */
const AREAS = {
  core: /^core\//,
  ports: /^(?:blobs|index|cluster)\/port\.ts$/,
  "s3 driver": /^blobs\/s3\//,
  "blob drivers": /^blobs\//,
  "index drivers": /^index\//,
  postgres: /^postgres\//,
  "cluster drivers": /^cluster\//,
  registry: /^registry\//,
  auth: /^auth\//,
  config: /^config(?:\.ts|\/)/,
  version: /^version\.ts$/,
  "data directory": /^data-directory(?:\.ts|\/)/,
  http: /^http\//,
  audit: /^audit\//,
  metrics: /^metrics\//,
  stores: /^stores(?:\.ts|\/)/,
  create: /^create\.ts$/,
  cli: /^cli\//,
  exports: /^index\.ts$/,
} as const;

type Area = keyof typeof AREAS;

/** Whom each part may import besides itself. */
const MAY_IMPORT: Readonly<Record<Area, readonly Area[]>> = {
  core: [],
  ports: ["core"],
  // It shares with the others what knows no storage: hashes, heads, streams.
  "s3 driver": ["blob drivers", "ports", "postgres", "core"],
  "blob drivers": ["ports", "core"],
  "index drivers": ["ports", "postgres", "core"],
  postgres: ["core"],
  "cluster drivers": ["index drivers", "ports", "postgres", "core"],
  registry: ["ports", "core"],
  auth: ["core"],
  config: ["core"],
  version: [],
  "data directory": ["core"],
  http: ["registry", "auth", "ports", "config", "core", "version"],
  audit: ["ports", "core"],
  metrics: ["http", "registry", "ports"],
  stores: [
    ...([
      "blob drivers",
      "s3 driver",
      "index drivers",
      "cluster drivers",
      "postgres",
      "data directory",
    ] as const),
    ...(["audit", "metrics", "ports", "config"] as const),
  ],
  create: [
    ...(["audit", "metrics", "version"] as const),
    ...(["http", "registry", "auth", "stores"] as const),
    ...(["blob drivers", "ports", "config", "core"] as const),
  ],
  cli: ["create", "data directory", "postgres", "config", "core", "version"],
  exports: ["create", "auth", "config", "core"],
};

/** Packages that only some parts may know. */
const PACKAGES: Readonly<Record<string, readonly Area[]>> = {
  koa: ["http", "create", "cli"],
  "@koa/router": ["http"],
  "koa-body": ["http"],
  commander: ["cli"],
  "prom-client": ["metrics", "cli"],
  "pino-pretty": ["cli"],
  pg: ["postgres", "index drivers", "cluster drivers", "s3 driver", "stores"],
  kysely: ["postgres"],
  "@aws-sdk/client-s3": ["s3 driver"],
  "@aws-sdk/s3-request-presigner": ["s3 driver"],
};

// Pure computations: what core may use. Types of Node's are erased, and may come from anywhere in it.
const PURE = ["node:crypto", "node:util", "node:buffer", "range-parser", "zod"];

interface Import {
  readonly from: string;
  readonly specifier: string;
  /** Path below `src`, for a file of this package. */
  readonly target: string | undefined;
  readonly typeOnly: boolean;
}

const FROM = /\b(?:import|export)\s+(type\s)?(?:[^;"']*?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/g;

/** `@scope/name/part` belongs to the package `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

async function sources(): Promise<string[]> {
  const entries = await readdir(SRC, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => relative(SRC, join(entry.parentPath, entry.name))).sort();
}

async function importsOf(file: string): Promise<Import[]> {
  const text = await readFile(join(SRC, file), "utf8");
  return [...text.matchAll(FROM)].map(([, type, named, dynamic]) => {
    const specifier = named ?? dynamic ?? "";
    const target = specifier.startsWith(".")
      ? relative(SRC, resolve(SRC, dirname(file), specifier))
      : undefined;
    return { from: file, specifier, target, typeOnly: type !== undefined };
  });
}

async function allImports(): Promise<Import[]> {
  return (await Promise.all((await sources()).map(importsOf))).flat();
}

function areaOf(file: string): Area | undefined {
  return (Object.keys(AREAS) as Area[]).find((area) => AREAS[area].test(file));
}

test("every source file belongs to a known part", async (t) => {
  t.deepEqual(
    (await sources()).filter((file) => areaOf(file) === undefined),
    [],
  );
});

test("each part imports only those it may know", async (t) => {
  const wrong = (await allImports()).filter(({ from, target }) => {
    const [importer, imported] = [areaOf(from), areaOf(target ?? "")];
    if (target === undefined || importer === undefined || imported === undefined) return false;
    return importer !== imported && !MAY_IMPORT[importer].includes(imported);
  });
  t.deepEqual(
    wrong.map(({ from, target }) => `${from} imports ${target}`),
    [],
  );
});

test("packages stay in the parts that they belong to", async (t) => {
  const wrong = (await allImports()).filter(({ from, specifier }) => {
    const area = areaOf(from);
    return area !== undefined && PACKAGES[packageOf(specifier)]?.includes(area) === false;
  });
  t.deepEqual(
    wrong.map(({ from, specifier }) => `${from} imports ${specifier}`),
    [],
  );
});

test("core computes, and touches neither disk nor network", async (t) => {
  const wrong = (await allImports()).filter(({ from, specifier, target, typeOnly }) => {
    if (areaOf(from) !== "core" || target !== undefined || PURE.includes(specifier)) return false;
    return !(isBuiltin(specifier) && typeOnly);
  });
  t.deepEqual(
    wrong.map(({ from, specifier }) => `${from} imports ${specifier}`),
    [],
  );
});

test("every package imported is a dependency, and every dependency is imported", async (t) => {
  const { dependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const packages = (await allImports()).flatMap(({ specifier, target }) =>
    target !== undefined || isBuiltin(specifier) ? [] : [packageOf(specifier)],
  );
  t.deepEqual([...new Set(packages)].sort(), Object.keys(dependencies).sort());
});

test("nothing imports itself in a circle", async (t) => {
  const graph = Map.groupBy(await allImports(), ({ from }) => from);
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, way: readonly string[]) => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(" > "));
    if (way.includes(file) || done.has(file)) return;
    for (const { target } of graph.get(file) ?? []) if (target !== undefined) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of await sources()) visit(file, []);
  t.deepEqual(circles, []);
});

test("only the configuration and the command's first lines read the environment", async (t) => {
  const files = await sources();
  const texts = await Promise.all(files.map((file) => readFile(join(SRC, file), "utf8")));
  const readers = files.filter((_file, index) =>
    /\bprocess\.env\b|\benv\b.*from "node:process"/.test(texts[index] ?? ""),
  );
  t.deepEqual(readers, ["cli/main.ts", "config.ts"]);
});

test(`no source file is longer than ${MAX_LINES} lines`, async (t) => {
  const long: string[] = [];
  for (const file of await sources()) {
    const lines = (await readFile(join(SRC, file), "utf8")).split("\n").length - 1;
    if (lines > MAX_LINES) long.push(`${file}: ${lines}`);
  }
  t.deepEqual(long, []);
});

test("the top level holds what a newcomer expects, and nothing else", async (t) => {
  const folders = ["bench", "data", "docs", "src", "test"];
  const files = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
  ];
  const settings = [
    "biome.json",
    "package-lock.json",
    "package.json",
    "tsconfig.build.json",
    "tsconfig.json",
  ];
  const ignored = ["coverage", "dist", "node_modules"];
  const own = (name: string) => !/^\.|\.log$/.test(name) && !ignored.includes(name);
  const entries = (await readdir(ROOT)).filter(own);
  t.deepEqual(entries.sort(), [...folders, ...files, ...settings].sort());
});
