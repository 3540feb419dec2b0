import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { openWorkplace, type Workplace } from "./workplace.ts";

const REPORT = "application/vnd.example.report";

/** A workplace whose registry has got the file `note.txt`, as the artifact `notes:v1`. */
async function withArtifact(t: ExecutionContext) {
  const place = await openWorkplace(t, ["oras"]);
  if (place === undefined) return undefined;
  const artifact = `${place.registry}/notes:v1`;
  await writeFile(join(place.directory, "note.txt"), "A note.\n");
  const type = ["--artifact-type", "application/vnd.example.note"];
  const pushed = await oras(place, "push", [...type, "--format", "json", artifact, "note.txt:text/plain"]);
  return { ...place, artifact, digest: JSON.parse(pushed).digest };
}

async function oras(place: Workplace, command: string, args: readonly string[]): Promise<string> {
  return await place.run("oras", [...command.split(" "), "--plain-http", ...args]);
}

/** Attaches a report to the artifact, and returns the report's digest. */
async function attachReport(place: Workplace & { readonly artifact: string }): Promise<string> {
  await writeFile(join(place.directory, "report.json"), '{"problems":0}');
  const type = ["--artifact-type", REPORT];
  const file = "report.json:application/json";
  return JSON.parse(await oras(place, "attach", [...type, "--format", "json", place.artifact, file])).digest;
}

test("oras pushes a file and pulls it under its name", async (t) => {
  const place = await withArtifact(t);
  if (place === undefined) return;
  await mkdir(join(place.directory, "got"));
  await oras(place, "pull", ["--output", "got", place.artifact]);
  t.is(await readFile(join(place.directory, "got/note.txt"), "utf8"), "A note.\n");
});

test("oras discover finds what was attached, by type, and pulls it", async (t) => {
  const place = await withArtifact(t);
  if (place === undefined) return;
  const report = await attachReport(place);
  const discover = async (type: string) =>
    JSON.parse(await oras(place, "discover", ["--format", "json", "--artifact-type", type, place.artifact]));
  const found = await discover(REPORT);
  t.is(found.digest, place.digest);
  t.deepEqual(
    found.referrers.map((each: { digest: string }) => each.digest),
    [report],
  );
  t.deepEqual((await discover("application/vnd.example.other")).referrers ?? [], []);
  await oras(place, "pull", ["--output", "got", `${place.registry}/notes@${report}`]);
  t.is(await readFile(join(place.directory, "got/report.json"), "utf8"), '{"problems":0}');
});

test("oras copies an artifact and what is attached to it to another repository", async (t) => {
  const place = await withArtifact(t);
  if (place === undefined) return;
  const report = await attachReport(place);
  const copy = `${place.registry}/archive/notes:v1`;
  await place.run("oras", ["cp", "-r", "--from-plain-http", "--to-plain-http", place.artifact, copy]);
  const found = JSON.parse(await oras(place, "discover", ["--format", "json", copy]));
  t.is(found.digest, place.digest);
  t.is(found.referrers[0].digest, report);
});

test("oras lists repositories and tags, and deletes a manifest", async (t) => {
  const place = await withArtifact(t);
  if (place === undefined) return;
  const { registry, artifact } = place;
  await oras(place, "tag", [artifact, "v2"]);
  t.is(await oras(place, "repo ls", [registry]), "notes\n");
  t.is(await oras(place, "repo tags", [`${registry}/notes`]), "v1\nv2\n");
  await oras(place, "manifest delete", ["--force", `${registry}/notes@${place.digest}`]);
  const gone = await place.attempt("oras", ["manifest", "fetch", "--plain-http", artifact]);
  t.is(gone.code, 1);
  t.regex(gone.stderr, /not found/);
});
