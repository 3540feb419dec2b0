import test, { type ExecutionContext } from "ava";
import { loadConfig } from "../../src/config.ts";
import { startServer } from "../tools/server.ts";
import { usageOf } from "./command.ts";
import {
  type Container,
  environmentOf,
  type PodSpec,
  podsOfLayerd,
  readImage,
  readKubernetes,
} from "./manifests.ts";

/** What Kubernetes tells a pod of a Service called layerd in its namespace, unless it is told not to. */
const SERVICE_LINKS = {
  LAYERD_SERVICE_HOST: "10.96.0.9",
  LAYERD_SERVICE_PORT: "4000",
  LAYERD_SERVICE_PORT_HTTP: "4000",
  LAYERD_PORT: "tcp://10.96.0.9:4000",
  LAYERD_PORT_4000_TCP: "tcp://10.96.0.9:4000",
  LAYERD_PORT_4000_TCP_PROTO: "tcp",
};

async function theServer(t: ExecutionContext): Promise<{ pod: PodSpec; container: Container }> {
  const [pod] = await podsOfLayerd();
  const container = pod?.containers[0];
  if (pod === undefined || container === undefined) throw new Error("there is no server");
  t.deepEqual(container.args, ["serve"]);
  return { pod, container };
}

test("every variable is a setting, whatever Kubernetes adds, and secrets are in none of them", async (t) => {
  const image = await readImage();
  for (const { containers, enableServiceLinks } of await podsOfLayerd()) {
    t.false(enableServiceLinks);
    for (const container of containers) {
      const environment = { ...image.environment, ...(await environmentOf(container)) };
      const { config } = loadConfig({}, { ...environment, ...SERVICE_LINKS });
      t.is(config.port, image.port);
      t.is(config.host, "0.0.0.0");
      t.true(URL.canParse(config.index));
      t.is(new URL(config.index).password, "");
      for (const { name, value } of container.env) t.is(value, undefined, `${name} stands in the file`);
    }
  }
});

test("the commands are layerd's, and the user and the directory those of the image", async (t) => {
  const image = await readImage();
  for (const { containers, securityContext } of await podsOfLayerd()) {
    t.is(`${securityContext.runAsUser}:${securityContext.runAsGroup}`, image.user);
    for (const { args, securityContext, volumeMounts = [] } of containers) {
      const words = [...image.entrypoint, ...args];
      t.is(await usageOf(words), words.join(" "));
      for (const { mountPath } of volumeMounts) t.is(mountPath, image.volume);
      t.deepEqual(securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
    }
  }
});

test("probes ask what is answered, at the port that is listened on", async (t) => {
  const { container } = await theServer(t);
  const { port } = await readImage();
  const { livenessProbe, readinessProbe, startupProbe, ports = [] } = container;
  const { config } = loadConfig({}, await environmentOf(container));
  t.deepEqual(
    ports.map(({ containerPort }) => containerPort),
    [port, Number(config.metricsPort)],
  );
  const { url } = await startServer(t, { memory: true });
  for (const probe of [livenessProbe, readinessProbe, startupProbe]) {
    t.is(ports.find(({ name }) => name === probe?.httpGet.port)?.containerPort, port);
    t.is((await fetch(url + probe?.httpGet.path)).status, 200);
  }
  t.is(livenessProbe?.httpGet.path, "/healthz");
  t.is(readinessProbe?.httpGet.path, "/readyz");
});

test("a server that is told to end has time for what it is doing", async (t) => {
  const { pod, container } = await theServer(t);
  const [program, seconds] = container.lifecycle?.preStop.exec.command ?? [];
  t.is(program, "sleep");
  t.true((pod.terminationGracePeriodSeconds ?? 0) - Number(seconds) >= 600);
});

test("whatever selects the servers selects them by their label, and no other pods", async (t) => {
  const objects = await readKubernetes("kubernetes.yaml");
  const labels = { "app.kubernetes.io/name": "layerd" };
  const specs = objects.map(({ kind, spec }) => [kind, spec as Record<string, unknown>] as const);
  const of = (kind: string) => specs.find(([found]) => found === kind)?.[1] ?? {};
  t.deepEqual(of("Service").selector, labels);
  t.deepEqual(of("NetworkPolicy").podSelector, { matchLabels: labels });
  for (const kind of ["Deployment", "PodDisruptionBudget"]) {
    t.deepEqual(of(kind).selector, { matchLabels: labels });
  }
  const [job] = await readKubernetes("kubernetes-migrate.yaml");
  const { template } = (job?.spec ?? {}) as { template?: { metadata: { labels: object } } };
  t.truthy(template);
  t.notDeepEqual<object | undefined, object>(template?.metadata.labels, labels);
});
