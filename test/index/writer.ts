import { openJournalIndex } from "../../src/index/journal.ts";
import { digest, LIBRARY, link, transaction } from "./samples.ts";

/*
 * A process that links blobs, from the number given on, as fast as it can until it is killed, and prints each
 * number once it was told that it is stored: `node writer.ts DIRECTORY FIRST`.
 */
const [directory = "", first = ""] = process.argv.slice(2);
const index = await openJournalIndex({ directory, durability: "full" });
// Long enough for the journal to be compacted every now and then.
const name = "n".repeat(2000);
let next = Number(first);
for (let writer = 0; writer < 16; writer++) void write();

async function write(): Promise<void> {
  for (;;) {
    const number = next++;
    await index.apply(LIBRARY, transaction([link(digest(number), { name })]));
    process.stdout.write(`${number}\n`);
  }
}
