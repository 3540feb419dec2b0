import { openDataDirectory } from "../src/data-directory.ts";

/* A process that opens a data directory, to share it if told `shared`, says so, and holds it until it is killed. */
const [path = "", how] = process.argv.slice(2);
await openDataDirectory({ path, durability: "full", shared: how === "shared" });
process.stdout.write("open\n");
setInterval(() => undefined, 60_000);
