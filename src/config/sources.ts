import { readFileSync } from "node:fs";
import { didYouMean } from "./nearest.ts";
import { ConfigError, type Source } from "./resolve.ts";
import { ALL_SETTINGS, type NamedSetting } from "./settings.ts";

/** Names the config file; the one variable that is no setting itself. */
export const CONFIG_FILE_VARIABLE = "LAYERD_CONFIG";

export type Environment = Readonly<Record<string, string | undefined>>;

// Kubernetes describes a Service called "layerd" to every pod of its namespace in such variables, and a
// Service on port 4000 in LAYERD_PORT itself (docs: Service, "Environment variables").
const KUBERNETES = /^LAYERD_(?:SERVICE_(?:HOST|PORT)|PORT_\d+_(?:TCP|UDP|SCTP))/;
const KUBERNETES_PORT = /^(?:tcp|udp|sctp):\/\//;

/** An empty variable counts as not set. @throws ConfigError for a `LAYERD_*` variable that means nothing. */
export function environmentSource(environment: Environment): Source {
  const known = [...ALL_SETTINGS.map(({ variable }) => variable), CONFIG_FILE_VARIABLE];
  const unknown = Object.keys(environment).find(
    (name) => name.startsWith("LAYERD_") && !known.includes(name) && !KUBERNETES.test(name),
  );
  if (unknown !== undefined) {
    throw new ConfigError(`there is no setting for the variable ${unknown}; ${didYouMean(unknown, known)}`);
  }
  const values = ALL_SETTINGS.flatMap(({ key, variable }) => {
    const written = environment[variable];
    if (written === undefined || written === "" || KUBERNETES_PORT.test(written)) return [];
    return [[key, { written, name: variable }] as const];
  });
  return { kind: "environment", values: new Map(values) };
}

/** Values of flags, by the setting's key; `undefined` for those that were not given. */
export function flagSource(flags: Readonly<Record<string, unknown>>): Source {
  const values = ALL_SETTINGS.flatMap(({ key, flag }) => {
    const written = flags[key];
    const name = written === false ? flag.replace(/^--/, "--no-") : flag;
    return written === undefined ? [] : [[key, { written, name }] as const];
  });
  return { kind: "flag", values: new Map(values) };
}

/** A JSON object whose keys are those of the settings. @throws ConfigError */
export function fileSource(path: string): Source {
  const content = parseObject(path, readText(path));
  const known = ALL_SETTINGS.map(({ key }) => key);
  const setting = (key: string): NamedSetting => {
    const found = ALL_SETTINGS.find((candidate) => candidate.key === key);
    if (found !== undefined) return found;
    throw new ConfigError(`${path}: there is no setting ${key}; ${didYouMean(key, known)}`);
  };
  const values = Object.entries(content).map(
    ([key, written]) => [setting(key).key, { written, name: path }] as const,
  );
  return { kind: "file", values: new Map(values) };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`cannot read the config file ${path}: ${(error as Error).message}`);
  }
}

function parseObject(path: string, text: string): object {
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null && !Array.isArray(content)) return content;
  } catch (error) {
    throw new ConfigError(`the config file ${path} is not JSON: ${(error as Error).message}`);
  }
  throw new ConfigError(`the config file ${path} is not a JSON object of settings`);
}
