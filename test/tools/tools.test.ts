import { readFile } from "node:fs/promises";
import test from "ava";
import { GO_TOOLS, goModule, PACKAGES } from "./tools.ts";

test("every program that tests may ask for is installed by .ci/setup", async (t) => {
  const installed = (await readFile(".ci/packages", "utf8")).split("\n");
  for (const name of Object.values(PACKAGES)) t.true(installed.includes(name), name);
  for (const name of GO_TOOLS) t.regex(goModule(name) ?? "", /^[a-z][\w./-]+@v\d+\.\d+\.\d+$/, name);
});
