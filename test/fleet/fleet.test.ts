import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Client, IMAGE_CONFIG, imageOf, sha256 } from "../http/v2/client.ts";
import { eventually } from "../tools/eventually.ts";
import { json } from "../tools/json.ts";
import { canStartFleet, type Fleet, type Member, startFleet } from "./fleet.ts";

/*
 * Three servers behind nginx, as people run them when one machine is not enough.
 */

const PUSHES = 200;
const AT_ONCE = 8;
const TRIES = 40;

/** What a client does that does not give up: the same again, from the beginning. */
async function untilDone<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES) throw error;
      await delay(100 * Math.min(tries, 10));
    }
  }
}

async function expect(answer: Promise<Response>, status: number): Promise<Response> {
  const got = await answer;
  if (got.status !== status) throw new Error(`${got.status} instead of ${status}: ${await got.text()}`);
  return got;
}

/** A blob in a session of three requests, each of which may come to another server. */
async function pushInParts(client: Client, content: string): Promise<void> {
  if ((await client.status("HEAD", `blobs/${sha256(content)}`)) === 200) return;
  const half = Math.floor(content.length / 2);
  const opened = await expect(client.send("POST", "blobs/uploads/"), 202);
  const parts = [content.slice(0, half), content.slice(half)];
  const patched = await expect(client.follow("PATCH", opened.headers.get("location"), parts[0]), 202);
  const location = patched.headers.get("location") ?? "";
  const mark = location.includes("?") ? "&" : "?";
  await expect(client.follow("PUT", `${location}${mark}digest=${sha256(content)}`, parts[1]), 201);
}

/** From the beginning when something is missing at the end: it was collected, if all that took longer than it was kept. */
async function pushImage(client: Client, content: string, tag: string): Promise<string> {
  const manifest = imageOf(content);
  await untilDone(async () => {
    await untilDone(() => pushInParts(client, content));
    await untilDone(() => pushInParts(client, IMAGE_CONFIG));
    await expect(client.putManifest(tag, manifest), 201);
  });
  return manifest;
}

/** @returns what `AT_ONCE` clients have been told is stored: the text of each manifest by its tag. */
async function pushMany(
  { url }: Fleet,
  name: string,
  onPushed: (count: number) => void,
  pushes = PUSHES,
): Promise<Map<string, string>> {
  const pushed = new Map<string, string>();
  let next = 0;
  const one = async () => {
    const client = new Client(url, name);
    while (next < pushes) {
      const number = next;
      next += 1;
      const content = `${name} ${number} `.repeat(200 + number * 20);
      pushed.set(`t${number}`, await pushImage(client, content, `t${number}`));
      onPushed(pushed.size);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return pushed;
}

async function holdsAll(t: ExecutionContext, member: Member, name: string, pushed: Map<string, string>) {
  const client = new Client(member.url, name);
  const { tags } = await json(await client.send("GET", "tags/list"));
  t.deepEqual(tags.toSorted(), [...pushed.keys()].toSorted());
  for (const [tag, manifest] of pushed) {
    t.is(await (await client.send("GET", `manifests/${tag}`)).text(), manifest);
    for (const { digest } of JSON.parse(manifest).layers) {
      const bytes = Buffer.from(await (await client.send("GET", `blobs/${digest}`)).arrayBuffer());
      if (sha256(bytes) !== digest) t.fail(`${digest} on ${member.url} is not what it says`);
    }
  }
}

/** Asks a server for an image again and again. @returns what stops it, with how often it was asked, and the failures */
function watch(member: Member, name: string, tag: string) {
  const client = new Client(member.url, name);
  const failures: string[] = [];
  let [asked, running] = [0, true];
  const watching = (async () => {
    while (running) {
      asked += 1;
      const status = await client.status("GET", `manifests/${tag}`).catch((error: Error) => error.message);
      if (status !== 200) failures.push(String(status));
      await delay(10);
    }
  })();
  return async () => {
    running = false;
    await watching;
    return { asked, failures };
  };
}

test.serial("one of three is killed during 200 pushes: nothing is lost, and the others answer", async (t) => {
  if (!canStartFleet(t)) return;
  const fleet = await startFleet(t, 3, []);
  const [victim, ...others] = fleet.members as [Member, Member, Member];
  await pushImage(new Client(fleet.url, "team/watched"), "watched", "v1");
  const stops = others.map((member) => watch(member, "team/watched", "v1"));
  let killed: Promise<void> | undefined;
  const pushed = await pushMany(fleet, "team/app", (count) => {
    if (count === 60) killed = victim.kill();
    if (count === 140) killed = killed?.then(() => victim.restart());
  });
  await killed;
  for (const stop of stops) {
    const { asked, failures } = await stop();
    t.true(asked > 50);
    t.deepEqual(failures, []);
  }
  t.is(pushed.size, PUSHES);
  for (const member of fleet.members) await holdsAll(t, member, "team/app", pushed);
});

test.serial(
  "one of three cannot reach the database: it says so, the others go on, and it comes back",
  async (t) => {
    if (!canStartFleet(t)) return;
    const fleet = await startFleet(t, 3, []);
    const [victim, ...others] = fleet.members as [Member, Member, Member];
    await pushImage(new Client(fleet.url, "team/watched"), "watched", "v1");
    const stops = others.map((member) => watch(member, "team/watched", "v1"));
    const pushed = await pushMany(fleet, "team/app", (count) => {
      if (count === 40) victim.database.cut();
      if (count === 160) victim.database.heal();
    });
    for (const stop of stops) t.deepEqual((await stop()).failures, []);
    t.is(pushed.size, PUSHES);
    await untilDone(() => expect(fetch(`${victim.url}/readyz`), 200));
    for (const member of fleet.members) await holdsAll(t, member, "team/app", pushed);
  },
);

test.serial(
  "all three collect garbage again and again, and take nothing that was acknowledged",
  async (t) => {
    if (!canStartFleet(t)) return;
    const collecting = ["--gc-interval", "100ms", "--gc-grace", "2s", "--trash-ttl", "1s"];
    const fleet = await startFleet(t, 3, collecting);
    const rubbish = new Client(fleet.url, "team/rubbish");
    // What nothing needs goes, beside what is needed.
    const digests = await Promise.all(
      Array.from({ length: 20 }, (_, at) => untilDone(() => rubbish.pushBlob(`rubbish ${at} `.repeat(100)))),
    );
    const pushed = await pushMany(fleet, "team/app", () => undefined, 80);
    for (const member of fleet.members) await holdsAll(t, member, "team/app", pushed);
    await eventually(async () => {
      // GET promises nothing: who has the bytes need not rely on them.
      const statuses = await Promise.all(digests.map((digest) => rubbish.status("GET", `blobs/${digest}`)));
      return statuses.every((status) => status === 404);
    });
    for (const member of fleet.members) await holdsAll(t, member, "team/app", pushed);
  },
);
