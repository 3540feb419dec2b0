import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { openWorkplace, type Workplace } from "./workplace.ts";

const TEMPLATE = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n";

/** A workplace whose registry has got the chart `charts/little` in two versions. */
async function withCharts(t: ExecutionContext) {
  const place = await openWorkplace(t, ["helm"]);
  if (place === undefined) return undefined;
  for (const version of ["0.1.0", "0.2.0+linux"]) await pushChart(place, version);
  return { ...place, chart: `oci://${place.registry}/charts/little` };
}

async function pushChart({ directory, registry, run }: Workplace, version: string): Promise<void> {
  await mkdir(join(directory, "little/templates"), { recursive: true });
  await writeFile(
    join(directory, "little/Chart.yaml"),
    `apiVersion: v2\nname: little\nversion: ${version}\n`,
  );
  await writeFile(join(directory, "little/templates/map.yaml"), TEMPLATE);
  await run("helm", ["package", "little"]);
  await run("helm", ["push", "--plain-http", `little-${version}.tgz`, `oci://${registry}/charts`]);
}

test("helm pulls the chart that it pushed, byte for byte", async (t) => {
  const place = await withCharts(t);
  if (place === undefined) return;
  const { run, chart, directory } = place;
  await mkdir(join(directory, "got"));
  await run("helm", ["pull", "--plain-http", chart, "--version", "0.1.0", "--destination", "got"]);
  const [sent, got] = ["", "got"].map((folder) => readFile(join(directory, folder, "little-0.1.0.tgz")));
  t.deepEqual(await got, await sent);
});

test("helm chooses a version by its tag, and renders the chart from the registry", async (t) => {
  const place = await withCharts(t);
  if (place === undefined) return;
  const { run, chart } = place;
  const rendered = await run("helm", ["template", "mine", chart, "--version", "^0.1.0", "--plain-http"]);
  t.regex(rendered, /name: mine/);
  // A tag has no plus sign: helm writes an underscore for it.
  t.regex(await run("helm", ["show", "chart", chart, "--plain-http"]), /version: 0\.2\.0\+linux/);
});
