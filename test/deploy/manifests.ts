import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

/* What docs/deploy has, as those read it who are given it. */

const ROOT = resolve(import.meta.dirname, "../..");
const DEPLOY = join(ROOT, "docs", "deploy");

// It brings no types.
const yaml = createRequire(import.meta.url)("js-yaml") as {
  safeLoad(text: string): unknown;
  safeLoadAll(text: string): unknown[];
};

export type Environment = Readonly<Record<string, string>>;

/** What these tests look at of a service. */
export interface Service {
  readonly image: string;
  readonly user?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Environment;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly ports?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<Record<string, unknown>>;
}

/** @throws what Compose says when a variable is missing that has to be there. */
export async function readCompose(variables: Environment): Promise<Compose> {
  const text = await readFile(join(DEPLOY, "compose.yaml"), "utf8");
  return interpolated(yaml.safeLoad(text), variables) as Compose;
}

/** The names of the variables that it asks for. */
export async function variablesOfCompose(): Promise<string[]> {
  const text = await readFile(join(DEPLOY, "compose.yaml"), "utf8");
  return [...new Set([...text.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name = ""]) => name))];
}

export async function readEnvExample(): Promise<Environment> {
  const text = await readFile(join(DEPLOY, ".env.example"), "utf8");
  return Object.fromEntries(
    [...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
}

/** https://docs.docker.com/reference/compose-file/interpolation/, of which `${A}`, `${A:-b}` and `${A:?c}` are used. */
function interpolated(value: unknown, variables: Environment): unknown {
  if (typeof value === "string") {
    return value.replaceAll(/\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})/g, (_all, dollar, name, how, rest) => {
      if (dollar !== undefined) return "$";
      const given = variables[name] ?? "";
      if (given === "" && how === "?") throw new Error(`${name}: ${rest}`);
      return given === "" && how === "-" ? rest : given;
    });
  }
  if (Array.isArray(value)) return value.map((item) => interpolated(item, variables));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolated(item, variables)]));
}

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly timeoutSeconds?: number;
}

/** What these tests look at of a container. */
export interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly envFrom: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  readonly securityContext: object;
  readonly volumeMounts?: readonly { readonly mountPath: string }[];
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly enableServiceLinks: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number };
}

interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Environment;
  readonly spec?: unknown;
}

/** All objects of a file in docs/deploy. */
export async function readKubernetes(file: string): Promise<KubernetesObject[]> {
  return yaml.safeLoadAll(await readFile(join(DEPLOY, file), "utf8")) as KubernetesObject[];
}

/** What runs layerd, servers first. */
export async function podsOfLayerd(): Promise<PodSpec[]> {
  const objects = [
    ...(await readKubernetes("kubernetes.yaml")),
    ...(await readKubernetes("kubernetes-migrate.yaml")),
  ];
  return objects
    .filter(({ kind }) => ["Deployment", "Job"].includes(kind))
    .map(({ spec }) => (spec as { template: { spec: PodSpec } }).template.spec);
}

/** The variables of a container, secrets as any text. */
export async function environmentOf({ env, envFrom }: Container): Promise<Environment> {
  const maps = (await readKubernetes("kubernetes.yaml")).filter(({ kind }) => kind === "ConfigMap");
  const named = envFrom.map(({ configMapRef }) => {
    const map = maps.find(({ metadata }) => metadata.name === configMapRef.name);
    if (map?.data === undefined) throw new Error(`there is no ConfigMap ${configMapRef.name}`);
    return map.data;
  });
  const single = env.map(({ name, value = "secret" }) => [name, value]);
  return Object.assign({}, ...named, Object.fromEntries(single));
}

/** The last stage of the Dockerfile, by instruction. */
export async function readImage() {
  const text = await readFile(join(ROOT, "Dockerfile"), "utf8");
  const stage = text.slice(text.lastIndexOf("\nFROM ")).replaceAll("\\\n", " ");
  const what = (instruction: string) => new RegExp(`^${instruction} (.*)$`, "m").exec(stage)?.[1] ?? "";
  return {
    user: what("USER"),
    volume: what("VOLUME"),
    port: Number(what("EXPOSE")),
    entrypoint: JSON.parse(what("ENTRYPOINT")) as string[],
    command: JSON.parse(what("CMD")) as string[],
    environment: Object.fromEntries(
      what("ENV")
        .trim()
        .split(/\s+/)
        .map((pair) => pair.split("=")),
    ) as Environment,
  };
}

/** Other files of docs/deploy. */
export async function readDeployed(file: string): Promise<string> {
  return await readFile(join(DEPLOY, file), "utf8");
}
