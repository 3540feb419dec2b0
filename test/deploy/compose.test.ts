import test from "ava";
import { bucketOf, loadConfig } from "../../src/config.ts";
import { startServer } from "../tools/server.ts";
import { usageOf } from "./command.ts";
import {
  readCompose,
  readDeployed,
  readEnvExample,
  readImage,
  type Service,
  variablesOfCompose,
} from "./manifests.ts";

const SECRETS = { POSTGRES_PASSWORD: "p/w?#", S3_SECRET_KEY: "hidden" };

const readFilledIn = async () => await readCompose({ ...(await readEnvExample()), ...SECRETS });

async function servicesOfLayerd(): Promise<[string, Service][]> {
  return Object.entries((await readFilledIn()).services).filter(([, { image }]) => image === "layerd");
}

test("a secret that is not given is asked for by its name", async (t) => {
  const example = await readEnvExample();
  for (const name of Object.keys(SECRETS)) {
    await t.throwsAsync(readCompose({ ...example, ...SECRETS, [name]: "" }), {
      message: new RegExp(`^${name}: the .*; copy .env.example to .env$`),
    });
  }
});

test("the example has every variable, and no secret", async (t) => {
  const example = await readEnvExample();
  const optional = ["LAYERD_IMAGE"];
  t.deepEqual(
    Object.keys(example).toSorted(),
    (await variablesOfCompose()).filter((name) => !optional.includes(name)).toSorted(),
  );
  for (const name of Object.keys(SECRETS)) t.is(example[name], "");
});

test("every variable of a server is a setting, and it uses what the file has", async (t) => {
  const compose = await readFilledIn();
  const { environment } = await readImage();
  const servers = await servicesOfLayerd();
  t.deepEqual(
    servers.map(([name]) => name),
    ["layerd-1", "layerd-2", "layerd-3", "migrate"],
  );
  for (const [, service] of servers) {
    const { config, origins } = loadConfig({}, { ...environment, ...service.environment });
    t.is(origins.gc.name, "LAYERD_GC");
    t.true(config.gc);
    t.true(config.trustProxy);
    t.is(config.host, "0.0.0.0");
    const [index, s3] = [new URL(config.index), new URL(config.s3Endpoint)];
    const { postgres, s3: store, bucket } = compose.services;
    t.is(index.hostname, "postgres");
    t.is(index.username, postgres?.environment?.POSTGRES_USER ?? "");
    t.is(service.environment?.PGPASSWORD, postgres?.environment?.POSTGRES_PASSWORD);
    t.is(s3.hostname, "s3");
    t.is(`:${s3.port}`, store?.command?.[store.command.indexOf("--port") + 1] ?? "");
    t.is(service.environment?.AWS_ACCESS_KEY_ID, store?.environment?.ROOT_ACCESS_KEY_ID);
    t.is(service.environment?.AWS_SECRET_ACCESS_KEY, store?.environment?.ROOT_SECRET_ACCESS_KEY);
    t.is(bucketOf(config.blobs)?.bucket, bucket?.environment?.BUCKET);
  }
});

test("the commands are layerd's", async (t) => {
  const { entrypoint, command } = await readImage();
  const asked = (await servicesOfLayerd()).flatMap(([, service]) => {
    const [how, ...check] = service.healthcheck?.test ?? [];
    const checks = how === "CMD" ? [check] : [];
    return [[...entrypoint, ...(service.command ?? command)], ...checks].map((words) => words.join(" "));
  });
  const commands = [...new Set(asked)];
  t.deepEqual(commands, ["layerd serve", "layerd health", "layerd migrate up"]);
  for (const words of commands) t.is(await usageOf(words.split(" ")), words);
});

test("every container can write nothing but what it is for, and may do nothing", async (t) => {
  const { services, volumes, networks } = await readFilledIn();
  for (const [name, service] of Object.entries(services)) {
    t.true(service.read_only, name);
    t.deepEqual(service.cap_drop, ["ALL"], name);
    t.deepEqual(service.security_opt, ["no-new-privileges:true"], name);
    t.true(service.image === "layerd" || /:v?\d+\.\d+\S*$/.test(service.image), `${name}: ${service.image}`);
    for (const network of service.networks ?? []) t.true(network in networks, network);
    for (const volume of service.volumes ?? []) {
      t.true(
        volume.startsWith("./") ? volume.endsWith(":ro") : (volume.split(":")[0] ?? "") in volumes,
        volume,
      );
    }
  }
  const published = Object.values(services).flatMap(({ ports = [] }) => ports);
  t.deepEqual(published, ["127.0.0.1:4000:8080"]);
});

test("nginx has every server, and what looks whether they are well is answered", async (t) => {
  const { services } = await readFilledIn();
  const { port, volume } = await readImage();
  const conf = await readDeployed("nginx.conf");
  const upstreams = [...conf.matchAll(/^ +server (\S+) .*;$/gm)].map(([, address]) => address);
  const servers = (await servicesOfLayerd()).filter(([, { command }]) => command === undefined);
  t.deepEqual(
    upstreams,
    servers.map(([name]) => `${name}:${port}`),
  );
  for (const [, { tmpfs }] of servers) t.deepEqual(tmpfs, [volume]);
  const check = services.nginx?.healthcheck?.test?.at(-1) ?? "";
  t.is(new URL(check).port, /listen (\d+);/.exec(conf)?.[1] ?? "");
  const { url } = await startServer(t, { memory: true });
  t.is((await fetch(url + new URL(check).pathname)).status, 200);
});
