import type { Stay } from "../../src/registry/gc/stays.ts";
import { setTag, tag, transaction } from "../index/samples.ts";
import { onEachDriver, TEAM, type World } from "./world.ts";

/** Why what stays stays, by digest; and what would go. */
async function plan(world: World) {
  const stays = new Map<string, string>();
  const going: string[] = [];
  const tell = async ({ as, digest, why }: Stay) => void stays.set(`${as} ${digest}`, why);
  const options = { dryRun: true, nothingPromised: true, stays: tell } as const;
  const collected = await world.collector.collect({
    ...options,
    report: ({ what, digest }) => going.push(`${what} ${digest}`),
  });
  return { stays, going, collected };
}

const untagged = { rules: [{ repositories: ["**"], keepUntagged: 1 }] };

onEachDriver(
  "everything that stays is told with what needs it, and nothing that goes",
  async (t, world) => {
    const [layer, shared, unneeded] = [await world.blob(), await world.blob(), await world.blob()];
    const image = await world.manifest([layer, shared]);
    const index = await world.manifest([], { manifests: [image], tag: "v1" });
    const signature = await world.manifest([], { subject: image });
    const old = await world.manifest([shared]);
    await world.index.apply(TEAM, transaction([setTag("v2", index)]));
    await world.age();
    const { stays, going, collected } = await plan(world);
    t.deepEqual(
      stays,
      new Map([
        [`manifest ${signature}`, `it refers to ${image}`],
        [`manifest ${index}`, "it is tagged v1, and 1 more"],
        [`manifest ${image}`, `the index ${index} lists it`],
        [`blob ${shared}`, `the manifest ${image} names it, and 1 more`],
        [`blob ${layer}`, `the manifest ${image} names it`],
      ]),
    );
    t.deepEqual(
      going.toSorted(),
      [`manifest ${old}`, `link ${unneeded}`, `blob ${old}`, `blob ${unneeded}`].toSorted(),
    );
    t.is(collected.kept, stays.size);
  },
  untagged,
);

onEachDriver(
  "what nothing needs stays until its time is over, or while it is promised or held",
  async (t, world) => {
    const [young, bytes] = [await world.blob(), await world.bytes()];
    const manifest = await world.manifest([]);
    await world.age();
    await world.index.blob(TEAM, young, { promise: true });
    using hold = world.holds.open();
    await hold.add(bytes);
    const { stays, going } = await plan(world);
    t.is(stays.get(`blob ${young}`), "somebody was told of it lately, and may rely on it");
    t.is(stays.get(`manifest ${manifest}`), "it is kept for ever");
    t.is(stays.get(`bytes ${bytes}`), "it is just being pushed, or has just been");
    t.deepEqual(going, []);
  },
);

onEachDriver(
  "what is too young stays, and says until when; so does what is in the trash",
  async (t, world) => {
    const orphan = await world.bytes();
    await world.collect();
    const blob = await world.blob();
    await world.age();
    const { stays } = await plan(world);
    t.regex(stays.get(`blob ${blob}`) ?? "", /^it is kept until 20\S+Z at least$/);
    t.regex(stays.get(`trash ${orphan}`) ?? "", /^it is in the trash until 20\S+Z$/);
  },
  { rules: [{ repositories: ["**"], keepUnused: 3_600_000 }] },
);

onEachDriver(
  "nothing of a read-only repository leaves",
  async (t, world) => {
    const blob = await world.blob();
    await world.age();
    t.is((await plan(world)).stays.get(`blob ${blob}`), "the repository is read-only");
  },
  { rules: [{ repositories: ["**"], readOnly: true }] },
);

onEachDriver(
  "a manifest whose tags leave says so; its tags are looked through once, not once for each manifest",
  async (t, world) => {
    for (const name of ["a", "b", "c", "d"]) await world.manifest([], { tag: name });
    await world.age();
    const newest = await world.manifest([], { tag: "e" });
    const read = world.index.tags.bind(world.index);
    let reads = 0;
    world.index.tags = (...asked) => {
      reads += 1;
      return read(...asked);
    };
    const { stays } = await plan(world);
    t.true(reads <= 2, "once for the collection, once for the reasons");
    const { digest } = (await world.index.tag(TEAM, tag("a"))) ?? t.fail();
    t.is(stays.get(`manifest ${digest}`), "until now it was tagged a, which is to leave: not the newest");
    t.is(stays.get(`manifest ${newest}`), "it is tagged e");
  },
  { rules: [{ repositories: ["**"], keepTags: { newest: 1 } }] },
);
