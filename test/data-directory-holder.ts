import { openDataDirectory } from "../src/data-directory.ts";

/* A process that opens a data directory, says so, and holds it until it is killed. */
const [path = ""] = process.argv.slice(2);
await openDataDirectory({ path, durability: "full" });
process.stdout.write("open\n");
setInterval(() => undefined, 60_000);
