import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { serve } from "../cli/command.ts";
import { temporaryDirectory } from "../tools/server.ts";
import { isLinearizable } from "./checker.ts";
import { serveFaulty } from "./faulty.ts";
import { record } from "./history.ts";

const ROUNDS = 6;

/** In how many of the rounds every tag behaved as if one request came after the other. */
async function sound(t: ExecutionContext, url: string, rounds = ROUNDS): Promise<number> {
  const first = Date.now() % 1_000_000;
  let good = 0;
  for (let seed = first; seed < first + rounds; seed += 1) {
    const histories = await record(url, { seed, clients: 8, operations: 12 });
    const all = [...histories.values()].every((events) => isLinearizable(events));
    if (all) good += 1;
    else t.log(`seed ${seed} is not linearizable`);
  }
  return good;
}

for (const kind of ["memory", "files"] as const) {
  test(`tags that many clients move at once are moved one after the other (${kind})`, async (t) => {
    const data = join(await temporaryDirectory(t), "data");
    const { url } = await serve(t, kind === "memory" ? ["--memory"] : ["--data", data]);
    t.is(await sound(t, url), ROUNDS);
  });
}

for (const fault of ["stale read", "lost update"] as const) {
  test(`a server with a ${fault} now and then is found out`, async (t) => {
    const url = await serveFaulty(t, fault);
    t.true((await sound(t, url, 3)) < 3);
  });
}
