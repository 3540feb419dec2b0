import { Client, imageOf, sha256 } from "../http/v2/client.ts";
import { Random } from "../tools/random.ts";
import type { Event, Operation } from "./checker.ts";

const CONTENTS = ["one", "two", "three", "four"] as const;
const TAGS = ["a", "b"] as const;

/** Many clients at once move, create, swap, delete and read a few tags. Returns what each tag has seen. */
export async function record(url: string, about: { seed: number; clients: number; operations: number }) {
  const client = new Client(url, `team/run-${about.seed}`);
  for (const content of CONTENTS) await client.pushImage(content);
  const histories = new Map<string, Event[]>(TAGS.map((tag) => [tag, []]));
  const work = async (lane: number) => {
    const random = new Random(about.seed * 100 + lane);
    // What it has seen last, as a client that swaps has.
    const seen = new Map<string, string>();
    for (let times = 0; times < about.operations; times += 1) {
      const tag = random.pick(TAGS);
      const start = performance.now();
      const operation = await perform(client, random, tag, seen);
      histories.get(tag)?.push({ operation, start, end: performance.now() });
    }
  };
  await Promise.all(Array.from({ length: about.clients }, (_, lane) => work(lane)));
  return histories;
}

async function perform(
  client: Client,
  random: Random,
  tag: string,
  seen: Map<string, string>,
): Promise<Operation> {
  const manifest = imageOf(random.pick(CONTENTS));
  const value = sha256(manifest);
  const put = async (headers: Record<string, string>) => {
    const { status } = await client.putManifest(tag, manifest, headers);
    if (status === 201) return true;
    if (status === 412) return false;
    throw new Error(`a push was answered ${status}`);
  };
  const from = seen.get(tag);
  switch (random.int(0, 6)) {
    case 0:
      await put({});
      return { type: "set", value };
    case 1:
      return { type: "create", value, done: await put({ "If-None-Match": "*" }) };
    case 2:
      return { type: "delete", done: await deleted(client, tag) };
    case 3:
      if (from !== undefined)
        return { type: "swap", from, value, done: await put({ "If-Match": `"${from}"` }) };
      return await readTag(client, tag, seen);
    default:
      return await readTag(client, tag, seen);
  }
}

async function deleted(client: Client, tag: string): Promise<boolean> {
  const status = await client.status("DELETE", `manifests/${tag}`);
  if (status === 202) return true;
  if (status === 404) return false;
  throw new Error(`a deletion was answered ${status}`);
}

async function readTag(client: Client, tag: string, seen: Map<string, string>): Promise<Operation> {
  const answer = await client.send("GET", `manifests/${tag}`);
  const value = answer.status === 404 ? null : sha256(await answer.text());
  if (value === null) seen.delete(tag);
  else seen.set(tag, value);
  return { type: "read", value };
}
