import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { makeTar } from "../../tools/tar.ts";
import { findTool } from "../../tools/tools.ts";
import { openWorkplace, type Workplace } from "./workplace.ts";

/** A workplace in which buildah keeps its images. */
async function withBuildah(t: ExecutionContext) {
  const place = await openWorkplace(t, ["buildah", "busybox", "curl", "tar"]);
  if (place === undefined) return undefined;
  const storage = ["--root", "images", "--runroot", "running", "--storage-driver", "vfs"];
  const buildah = async (...args: string[]) => (await place.run("buildah", [...storage, ...args])).trim();
  return { ...place, buildah };
}

/** Packs a root file system with a shell and the usual commands in it, all of them Debian's busybox. */
async function packBusybox({ directory, run }: Workplace): Promise<void> {
  await mkdir(join(directory, "root/bin"), { recursive: true });
  await copyFile(findTool("busybox") ?? "busybox", join(directory, "root/bin/busybox"));
  for (const name of ["sh", "cat"]) await symlink("busybox", join(directory, "root/bin", name));
  await run("tar", ["--owner=0", "--group=0", "-czf", "base.tar.gz", "-C", "root", "bin"]);
}

/** Makes an image with curl, as people do: a layer packed with gzip, one with zstd, one not at all. */
async function postImage(place: Workplace): Promise<void> {
  const { directory, url, run } = place;
  await packBusybox(place);
  const hello = makeTar([{ name: "srv/hello.txt", data: "Hello from a layer of curl's.\n" }]);
  const script = makeTar([{ name: "bin/hello", data: '#!/bin/sh\ncat "$FILE"\n', mode: 0o755 }]);
  await writeFile(join(directory, "hello.tar.zst"), zstdCompressSync(hello));
  await writeFile(join(directory, "script.tar"), script);
  const layers: string[] = [];
  for (const file of ["base.tar.gz", "hello.tar.zst", "script.tar"]) {
    layers.push(JSON.parse(await run("curl", ["-sS", "-X", "POST", "-T", file, `${url}/layer`])).digest);
  }
  const execution = { Cmd: ["/bin/hello"], Env: ["PATH=/bin", "FILE=/srv/hello.txt"], WorkingDir: "/srv" };
  const manifest = { layers, tag: "hello", config: { config: execution } };
  await run("curl", ["-sSf", "-d", JSON.stringify(manifest), `${url}/manifest`]);
}

test("an image whose layers were posted with curl runs in a container", async (t) => {
  const place = await withBuildah(t);
  if (place === undefined) return;
  await postImage(place);
  const image = `${place.registry}/library:hello`;
  await place.buildah("from", "--quiet", "--tls-verify=false", "--name", "work", image);
  t.is(
    await place.buildah("run", "--isolation", "chroot", "work", "--", "/bin/hello"),
    "Hello from a layer of curl's.",
  );
});

test("a container that buildah changed, committed and pushed runs after it was pulled again", async (t) => {
  const place = await withBuildah(t);
  if (place === undefined) return;
  const { buildah, registry } = place;
  await packBusybox(place);
  await buildah("from", "--name", "work", "scratch");
  await buildah("add", "--quiet", "work", "base.tar.gz", "/");
  await buildah("run", "--isolation", "chroot", "work", "--", "/bin/sh", "-c", "echo made here > /made");
  await buildah("commit", "--quiet", "--rm", "work", "made");
  await buildah("push", "--quiet", "--tls-verify=false", "made", `docker://${registry}/team/made:v1`);
  await buildah("rmi", "--all");
  const pull = ["--quiet", "--pull-always", "--tls-verify=false"];
  await buildah("from", ...pull, "--name", "again", `${registry}/team/made:v1`);
  t.is(await buildah("run", "--isolation", "chroot", "again", "--", "/bin/cat", "/made"), "made here");
});
