import { digestOf } from "../../src/core/digest.ts";
import { KIB, MIB } from "../toolkit/bench.ts";
import { fresh, type Image, makeImage, manifestOf, nameOf, type Repository } from "./registry.ts";

/** What the kinds of requests have in common. */
export interface Stage {
  readonly app: Repository;
  /** Another repository of the same server. */
  readonly other: Repository;
  /** That is stored under the tag `latest`. */
  readonly image: Image;
  /** A blob of 64 MiB that is stored. */
  readonly large: Buffer;
  /** Another number each time. */
  number(): number;
  /** Has the server forgotten what it has promised to clients, as it has after a day or two. */
  forgetPromises(): Promise<void>;
}

/** A kind of request, or of a client's work in several. */
export interface Kind {
  readonly name: string;
  /** How many make one measurement of processor time; 0 when it is not measured. */
  readonly times: number;
  /** Makes one possible. @returns what is measured. */
  prepare(stage: Stage): Promise<() => Promise<void>>;
}

export const TAGS = 100;
const READS = 2000;
const WRITES = 200;

const bytes = (text: string) => Buffer.from(text);
const manifestDigest = ({ manifest }: Image) => digestOf(bytes(manifest));

/** The same again and again. */
function read(name: string, request: (stage: Stage) => Promise<void>, times = READS): Kind {
  return { name, times, prepare: async (stage) => () => request(stage) };
}

/** Of which nobody has been told lately. Each takes a generation of its own: one is enough. */
function forgotten(name: string, request: (stage: Stage) => Promise<void>): Kind {
  return {
    name,
    times: 0,
    prepare: async (stage) => {
      await stage.forgetPromises();
      return () => request(stage);
    },
  };
}

function write(name: string, prepare: Kind["prepare"], times = WRITES): Kind {
  return { name, times, prepare };
}

const READING: readonly Kind[] = [
  read("HEAD manifest by tag", ({ app }) => app.head("manifests/latest")),
  read("GET manifest by tag", ({ app }) => app.get("manifests/latest")),
  read("GET manifest by tag, not modified", ({ app, image }) =>
    app.get("manifests/latest", { "If-None-Match": `"${manifestDigest(image)}"` }, 304),
  ),
  read("GET manifest by digest", ({ app, image }) => app.get(`manifests/${manifestDigest(image)}`)),
  forgotten("GET manifest by tag, first in a day", ({ app }) => app.get("manifests/latest")),
  read("HEAD blob", ({ app, large }) => app.head(`blobs/${nameOf(large)}`)),
  forgotten("HEAD blob, first in a day", ({ app, large }) => app.head(`blobs/${nameOf(large)}`)),
  read("HEAD blob that is not there", ({ app }) => app.head(`blobs/sha256:${"0".repeat(64)}`, 404)),
  write("GET blob of 2 KiB, for the first time", async ({ app }) => {
    const blob = fresh(2 * KIB);
    await app.post(blob);
    return () => app.get(`blobs/${nameOf(blob)}`);
  }),
  read("GET blob of 2 KiB, again", ({ app, image }) => app.get(`blobs/${nameOf(image.config)}`)),
  read(
    "GET blob of 1 MiB",
    ({ app, image }) => app.get(`blobs/${nameOf(image.layers[0] ?? bytes(""))}`),
    200,
  ),
  read("GET blob of 64 MiB", ({ app, large }) => app.get(`blobs/${nameOf(large)}`), 10),
  read("page of 100 tags", ({ app }) => app.get(`tags/list?n=${TAGS}`), 300),
  read("referrers", ({ app, image }) => app.get(`referrers/${manifestDigest(image)}`), 300),
];

const WRITING: readonly Kind[] = [
  write("push blob of 2 KiB: POST", async ({ app }) => {
    const blob = fresh(2 * KIB);
    return () => app.post(blob);
  }),
  write("push blob of 2 KiB: POST, PUT", async ({ app }) => {
    const blob = fresh(2 * KIB);
    return () => app.put(blob);
  }),
  write("push blob of 2 KiB: POST, PATCH, PUT", async ({ app }) => {
    const blob = fresh(2 * KIB);
    return () => app.patch(blob);
  }),
  write("push blob of 1 MiB: POST, PATCH, PUT", async ({ app }) => {
    const blob = fresh(MIB);
    return () => app.patch(blob);
  }),
  write(
    "push blob of 64 MiB: POST, PATCH, PUT",
    async ({ app }) => {
      const blob = fresh(64 * MIB);
      return () => app.patch(blob);
    },
    4,
  ),
  write("mount", async ({ app, other }) => {
    const blob = fresh(2 * KIB);
    await other.post(blob);
    return () => app.mount(nameOf(blob), "team/other");
  }),
  write("push manifest of 3 layers with a tag", async ({ app, number }) => {
    const image = makeImage(3, KIB);
    for (const blob of [image.config, ...image.layers]) await app.post(blob);
    const tag = `v${number()}`;
    return () => app.putManifest(tag, image.manifest);
  }),
  write(
    "push the same manifest again",
    async ({ app, image }) =>
      () =>
        app.putManifest("latest", image.manifest),
  ),
  write("delete tag", async ({ app, image, number }) => {
    const tag = `v${number()}`;
    await app.putManifest(tag, image.manifest);
    return () => app.delete(`manifests/${tag}`);
  }),
  write("delete blob", async ({ app }) => {
    const blob = fresh(2 * KIB);
    await app.post(blob);
    return () => app.delete(`blobs/${nameOf(blob)}`);
  }),
];

/** Of one client, from its first request to its last. */
const IMAGES: readonly Kind[] = [
  read("pull image: config, 3 layers of 1 MiB", ({ app, image }) => app.pull(image, "latest"), 50),
  write(
    "push image: config, 3 layers of 1 MiB",
    async ({ app, number }) => {
      const image = makeImage();
      const tag = `v${number()}`;
      return () => app.push(image, tag);
    },
    20,
  ),
];

export const KINDS: readonly Kind[] = [...READING, ...WRITING, ...IMAGES];

/** With downloads sent to S3 itself. The bytes that a client fetches there are not among those counted. */
export const REDIRECTED: readonly Kind[] = [
  read("GET blob of 1 MiB, redirected", ({ app, image }) =>
    app.get(`blobs/${nameOf(image.layers[0] ?? bytes(""))}`, {}, 307),
  ),
];

/** Puts everything there that the kinds read. */
export async function makeStage(
  app: Repository,
  other: Repository,
  forgetPromises: Stage["forgetPromises"],
): Promise<Stage> {
  let last = 0;
  const number = () => {
    last += 1;
    return last;
  };
  const image = makeImage();
  const large = fresh(64 * MIB);
  await app.pushQuickly(image, "latest");
  await app.post(large);
  for (let n = 0; n < TAGS; n += 1) await app.putManifest(`a${n}`, image.manifest);
  const signature = manifestOf(image.config, image.layers, image.manifest);
  await app.putManifest(digestOf(bytes(signature)), signature);
  return { app, other, image, large, number, forgetPromises };
}
